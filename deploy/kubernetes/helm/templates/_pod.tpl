{{- define "cloudquery.image" -}}
image: {{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- end }}

{{- define "cloudquery.labels" -}}
app.kubernetes.io/name: cloudquery-s3
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "cloudquery.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "cloudquery.pod" -}}
restartPolicy: {{ .restartPolicy }}
securityContext: {runAsNonRoot: true, runAsUser: 10001, seccompProfile: {type: RuntimeDefault}}
{{- with .root.Values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
volumes:
  - {name: source, configMap: {name: {{ .root.Release.Name }}-source}}
  - {name: destination, configMap: {name: {{ .root.Release.Name }}-destination}}
  - {name: tmp, emptyDir: {}}
{{- end }}

{{- define "cloudquery.sync" -}}
name: sync
{{ include "cloudquery.image" .root }}
command: ["/bin/sh", "-c"]
args:
  - >-
    exec cloudquery sync /config/source/source.yml /config/destination/s3.yml
    {{- if .sharded }} --shard "$((JOB_COMPLETION_INDEX + 1))/$SHARDS"{{ end }} --invocation-id "$SYNC_ID"
    --cq-dir /tmp/cq --log-console --no-log-file --log-format json --telemetry-level none
envFrom:
  - secretRef: {name: {{ .root.Values.secret }}, optional: true}
resources: {{ toYaml .root.Values.resources.sync | nindent 2 }}
securityContext: {{ include "cloudquery.security" . | nindent 2 }}
volumeMounts:
  - {name: source, mountPath: /config/source, readOnly: true}
  - {name: destination, mountPath: /config/destination, readOnly: true}
  - {name: tmp, mountPath: /tmp}
{{- end }}

{{- define "cloudquery.publish" -}}
name: publish
{{ include "cloudquery.image" .root }}
command: ["/bin/sh", "-c"]
args:
  - exec cloudquery-s3 publish /config/destination/s3.yml --sync "$SYNC_ID" --parts "$SHARDS"
resources: {{ toYaml .root.Values.resources.publish | nindent 2 }}
securityContext: {{ include "cloudquery.security" . | nindent 2 }}
volumeMounts:
  - {name: destination, mountPath: /config/destination, readOnly: true}
  - {name: tmp, mountPath: /tmp}
{{- end }}
