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
{{ .root.Values.image.registry }}{{ .image }}:{{ .root.Values.image.tag }}
{{- end }}
{{- /* The URI of a topic; clients' security comes from a mounted file. */ -}}
{{- define "padit.topic" -}}
kafka://{{ .root.Values.kafka.bootstrap }}/{{ .topic }}{{ if .root.Values.kafka.existingSecret }}?client_config=/etc/padit/kafka/client.properties{{ end }}
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
