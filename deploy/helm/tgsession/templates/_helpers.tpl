{{- define "tgsession.name" -}}
{{ printf "%s-%s" .root.Release.Name .service | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "tgsession.selector" -}}
app.kubernetes.io/name: tgsession
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .service }}
{{- end }}

{{- define "tgsession.labels" -}}
{{ include "tgsession.selector" . }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "tgsession.etcd" -}}
{{ dict "Hosts" .root.Values.etcd.hosts "Key" .key | toYaml }}
{{- end }}

{{/* session.yaml: what the chart gives, and over it what the values say. */}}
{{- define "tgsession.session.yaml" -}}
{{- $s := .Values.session -}}
{{- $base := fromYaml (include "tgsession.session.base" .) -}}
{{- mustMergeOverwrite $base (deepCopy $s.config) | toYaml }}
{{- end }}

{{- define "tgsession.session.base" -}}
{{- $s := .Values.session -}}
Name: interface.session
ListenOn: 0.0.0.0:{{ $s.ports.grpc }}
Etcd: {{- include "tgsession.etcd" (dict "root" . "key" "interface.session") | nindent 2 }}
Log: {ServiceName: interface.session, Mode: console, Level: info}
Shutdown: {WaitTime: {{ $s.shutdownSeconds }}s}
DevServer:
  Enabled: true
  Host: 0.0.0.0
  Port: {{ $s.ports.dev }}
  HealthPath: /healthz
  EnableMetrics: true
  EnablePprof: false
AuthSession:
  Etcd: {{- include "tgsession.etcd" (dict "root" . "key" "service.authsession") | nindent 4 }}
StatusClient:
  Etcd: {{- include "tgsession.etcd" (dict "root" . "key" "service.status") | nindent 4 }}
GatewayClient:
  Etcd: {{- include "tgsession.etcd" (dict "root" . "key" "interface.gateway") | nindent 4 }}
BFFProxyClients:
  Clients:
    - Etcd: {{- include "tgsession.etcd" (dict "root" . "key" "bff.bff") | nindent 8 }}
      Timeout: 0
  IDMap:
    "/mtproto.RPCTos": "bff.bff"
    "/mtproto.RPCConfiguration": "bff.bff"
    "/mtproto.RPCQrCode": "bff.bff"
    "/mtproto.RPCMiscellaneous": "bff.bff"
    "/mtproto.RPCAuthorization": "bff.bff"
    "/mtproto.RPCPremium": "bff.bff"
    "/mtproto.RPCChatInvites": "bff.bff"
    "/mtproto.RPCChats": "bff.bff"
    "/mtproto.RPCFiles": "bff.bff"
    "/mtproto.RPCUpdates": "bff.bff"
    "/mtproto.RPCContacts": "bff.bff"
    "/mtproto.RPCDialogs": "bff.bff"
    "/mtproto.RPCDrafts": "bff.bff"
    "/mtproto.RPCAutoDownload": "bff.bff"
    "/mtproto.RPCMessages": "bff.bff"
    "/mtproto.RPCNotification": "bff.bff"
    "/mtproto.RPCUsers": "bff.bff"
    "/mtproto.RPCNsfw": "bff.bff"
    "/mtproto.RPCSponsoredMessages": "bff.bff"
    "/mtproto.RPCAccount": "bff.bff"
    "/mtproto.RPCPassport": "bff.bff"
    "/mtproto.RPCUsernames": "bff.bff"
    "/mtproto.RPCSavedMessageDialogs": "bff.bff"
    "/mtproto.RPCPrivacySettings": "bff.bff"
    "/mtproto.RPCUserChannelProfiles": "bff.bff"
    "/mtproto.RPCPasskey": "bff.bff"
    "/mtproto.RPCVoipCalls": "bff.bff"
{{- end }}
