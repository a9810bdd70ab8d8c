"""The story of an incident by a language model, behind a switch, over three topics.

Whoever looks at an incident gives a request to `analysis.request`; a worker asks any
OpenAI-compatible endpoint and gives each sentence to `analysis.result` as soon as it is whole;
what fails goes to `dlq.failed` with its reason. Every portal reads the results, so that one
answer serves all of them, and checks each sentence against its own alerts (`alerting.claims`)
before anybody sees it: neither the model nor the topic is trusted. It gets no tools, no logs and
no secrets.
"""
