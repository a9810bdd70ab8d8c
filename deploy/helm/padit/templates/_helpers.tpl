{{- define "padit.labels" -}}
app.kubernetes.io/name: padit
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}
{{- define "padit.select" -}}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}
{{- define "padit.image" -}}
{{- $image := .root.Values.image }}
{{- $image.registry }}{{ get $image .image }}:{{ $image.tag }}{{ with get $image.digests .image }}@{{ . }}{{ end }}
{{- end }}
{{- /* The URI of a topic; clients' security comes from a mounted file. */ -}}
{{- define "padit.topic" -}}
kafka://{{ .root.Values.kafka.bootstrap }}/{{ .topic }}{{ if .root.Values.kafka.existingSecret }}?client_config=/etc/padit/kafka/client.properties{{ end }}
{{- end }}
{{- /* Whether a part runs in this release: enabled, and not left to the release that owns deliveries. */ -}}
{{- define "padit.here" -}}
{{- if and .enabled (eq .root.Values.job.colour "blue") (not .root.Values.job.only) }}yes{{ end }}
{{- end }}
{{- define "padit.kafkaMount" -}}
{{- if .Values.kafka.existingSecret }}
- {name: kafka, mountPath: /etc/padit/kafka, readOnly: true}
{{- end }}
{{- end }}
{{- define "padit.kafkaVolume" -}}
{{- if .Values.kafka.existingSecret }}
- name: kafka
  secret: {secretName: {{ .Values.kafka.existingSecret }}, defaultMode: 0440}
{{- end }}
{{- end }}
{{- define "padit.pod" -}}
automountServiceAccountToken: false
securityContext: {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- /* Pods of one part on different hosts, as far as there are some. */ -}}
{{- define "padit.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: {{ .root.Values.spread.topologyKey }}
    whenUnsatisfiable: {{ .root.Values.spread.whenUnsatisfiable }}
    labelSelector:
      matchLabels: {{- include "padit.select" . | nindent 8 }}
{{- end }}
{{- /* The ports of a URI or of host:port,host:port, as a JSON array; without one that of the scheme. */ -}}
{{- define "padit.ports" -}}
{{- $usual := dict "postgresql" 5432 "postgres" 5432 "redis" 6379 "rediss" 6379 "influxdb" 8086 "http" 80 "https" 443 "s3" 443 "gs" 443 }}
{{- $scheme := regexFind "^[a-z0-9+]+://" . | trimSuffix "://" }}
{{- $hosts := ternary (urlParse .).host . (ne $scheme "") }}
{{- $found := list }}
{{- range splitList "," $hosts }}
{{- $own := regexFind ":[0-9]+$" . | trimPrefix ":" }}
{{- $found = append $found (int ($own | default (get $usual $scheme | default 9092))) }}
{{- end }}
{{- $found | uniq | toJson }}
{{- end }}
{{- /* One rule of egress: to the named peers (anywhere, if there are none), at the named ports or these. */ -}}
{{- define "padit.rule" -}}
{{- with .peers.ports | default .ports -}}
- ports: {{- range . }}
    - {port: {{ . }}}
    {{- end }}
  {{- with $.peers.to }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}
{{- /* Receivers of alerting.configuration as a JSON object of names and ports; 0: the values do not say which. */ -}}
{{- define "padit.receivers" -}}
{{- $found := dict }}
{{- range $name, $one := .Values.alerting.configuration.receivers }}
{{- $url := get $one "url" | default "" }}
{{- $host := regexReplaceAll ":[0-9]+$" (ternary (urlParse $url).host (get $one "host" | default "") (ne $url "")) "" }}
{{- $port := 443 }}
{{- if eq $one.kind "email" }}{{ $port = int ($one.port | default 587) }}
{{- else if $url }}{{ $port = include "padit.ports" $url | fromJsonArray | first | int }}
{{- else if or (get $one "url_file") (eq $one.kind "apprise") }}{{ $port = 0 }}
{{- end }}
{{- if not (has $host (list "127.0.0.1" "localhost")) }}{{ $_ := set $found $name $port }}{{ end }}
{{- end }}
{{- $found | toJson }}
{{- end }}
