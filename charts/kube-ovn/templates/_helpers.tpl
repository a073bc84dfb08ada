{{/* Images */}}
{{- define "kube-ovn.image" -}}
{{ .Values.global.registry.address }}/{{ .Values.global.images.kubeovn.repository }}:{{ .Values.global.images.kubeovn.tag }}
{{- end }}

{{- define "ovn.image" -}}
{{ .Values.global.registry.address }}/{{ .Values.global.images.ovn.repository }}:{{ .Values.global.images.ovn.tag }}
{{- end }}

{{- define "kube-ovn.pullSecrets" -}}
{{- with .Values.image.pullSecrets -}}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Labels of every object; .app goes beside them where tools select by it. */}}
{{- define "kube-ovn.labels" -}}
app.kubernetes.io/name: kube-ovn
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/* kube-ovn.families (dict "Values" .Values "v4" … "v6" …): the values of the
     families that the stack uses, separated by a comma. */}}
{{- define "kube-ovn.families" -}}
{{- $families := list -}}
{{- if and (ne .Values.networking.stack "IPv6") .v4 }}{{ $families = append $families .v4 }}{{ end -}}
{{- if and (ne .Values.networking.stack "IPv4") .v6 }}{{ $families = append $families .v6 }}{{ end -}}
{{- join "," $families -}}
{{- end }}

{{- define "kube-ovn.podCIDR" -}}
{{- with .Values.networking.pods.cidr -}}
{{ $.Values.POD_CIDR | default (include "kube-ovn.families" (dict "Values" $.Values "v4" .v4 "v6" .v6)) }}
{{- end }}
{{- end }}

{{- define "kube-ovn.podGateway" -}}
{{- with .Values.networking.pods.gateway -}}
{{ $.Values.POD_GATEWAY | default (include "kube-ovn.families" (dict "Values" $.Values "v4" .v4 "v6" .v6)) }}
{{- end }}
{{- end }}

{{- define "kube-ovn.serviceCIDR" -}}
{{- with .Values.networking.services.cidr -}}
{{ $.Values.SVC_CIDR | default (include "kube-ovn.families" (dict "Values" $.Values "v4" .v4 "v6" .v6)) }}
{{- end }}
{{- end }}

{{- define "kube-ovn.joinCIDR" -}}
{{- with .Values.networking.join.cidr -}}
{{ $.Values.JOIN_CIDR | default (include "kube-ovn.families" (dict "Values" $.Values "v4" .v4 "v6" .v6)) }}
{{- end }}
{{- end }}

{{- define "kube-ovn.excludeIPs" -}}
{{ .Values.EXCLUDE_IPS | default (join "," .Values.networking.pods.excludeIPs) }}
{{- end }}

{{- define "kube-ovn.interface" -}}
{{ .Values.IFACE | default .Values.networking.interface }}
{{- end }}

{{- define "kube-ovn.tunnelType" -}}
{{ .Values.NETWORK_TYPE | default .Values.networking.tunnelType }}
{{- end }}

{{- define "kube-ovn.ssl" -}}
{{- if ne (toString .Values.ENABLE_SSL) "" }}{{ toString .Values.ENABLE_SSL }}{{ else }}{{ .Values.networking.enableSSL }}{{ end }}
{{- end }}

{{/* kube-ovn.masters: JSON {"addresses": […], "names": […]} of the nodes that
     run ovn-central. Addresses and names are of the same nodes, so that a
     database never runs where nobody looks for it. Without a cluster to look at
     (helm template, helm lint) there are no names. */}}
{{- define "kube-ovn.masters" -}}
{{- $given := .Values.masterNodes -}}
{{- if .Values.MASTER_NODES }}{{ $given = splitList "," (nospace .Values.MASTER_NODES) }}{{ end -}}
{{- $nodes := (lookup "v1" "Node" "" "").items | default list -}}
{{- $labelled := false -}}
{{- range $nodes }}{{ if eq (index (.metadata.labels | default dict) "kube-ovn/role" | default "") "master" }}{{ $labelled = true }}{{ end }}{{ end -}}
{{- $addresses := list -}}
{{- $names := list -}}
{{- range $nodes -}}
  {{- $address := "" -}}
  {{- range .status.addresses }}{{ if and (eq .type "InternalIP") (not $address) }}{{ $address = .address }}{{ end }}{{ end -}}
  {{- $labels := .metadata.labels | default dict -}}
  {{- $chosen := hasKey $labels "node-role.kubernetes.io/control-plane" -}}
  {{- if $labelled }}{{ $chosen = eq (index $labels "kube-ovn/role" | default "") "master" }}{{ end -}}
  {{- if $given }}{{ $chosen = has $address $given }}{{ end -}}
  {{- if $chosen }}{{ $addresses = append $addresses $address }}{{ $names = append $names .metadata.name }}{{ end -}}
{{- end -}}
{{- if and $nodes $given -}}
  {{- range $given }}{{ if not (has . $addresses) }}{{ fail (printf "masterNodes: no node has the InternalIP %s" .) }}{{ end }}{{ end -}}
{{- end -}}
{{- if and $nodes (not $addresses) }}{{ fail "no node is labelled kube-ovn/role=master and none is of the control plane: label one, or set masterNodes" }}{{ end -}}
{{- if $given }}{{ $addresses = $given }}{{ end -}}
{{- dict "addresses" ($addresses | default (list "masterNodes-is-not-set")) "names" $names | toJson -}}
{{- end }}

{{- define "kube-ovn.dbIPs" -}}
{{ join "," (include "kube-ovn.masters" . | fromJson).addresses }}
{{- end }}

{{- define "kube-ovn.replicas" -}}
{{ len (include "kube-ovn.masters" . | fromJson).addresses }}
{{- end }}

{{/* Pods of the control plane run on the nodes whose addresses are in
     OVN_DB_IPS. */}}
{{- define "kube-ovn.masterAffinity" -}}
nodeAffinity:
  requiredDuringSchedulingIgnoredDuringExecution:
    nodeSelectorTerms:
      {{- range (include "kube-ovn.masters" . | fromJson).names }}
      - matchFields:
          - {key: metadata.name, operator: In, values: [{{ . | quote }}]}
      {{- else }}
      - matchExpressions:
          - {key: kube-ovn/role, operator: In, values: [master]}
      - matchExpressions:
          - {key: node-role.kubernetes.io/control-plane, operator: Exists}
      {{- end }}
{{- end }}

{{/* One pod per node of (dict "app" name). */}}
{{- define "kube-ovn.apart" -}}
podAntiAffinity:
  requiredDuringSchedulingIgnoredDuringExecution:
    - labelSelector:
        matchLabels: {app: {{ .app }}}
      topologyKey: kubernetes.io/hostname
{{- end }}

{{/* Environment that every one of our containers gets. */}}
{{- define "kube-ovn.env" -}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: POD_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- name: POD_IP
  valueFrom: {fieldRef: {fieldPath: status.podIP}}
- name: POD_IPS
  valueFrom: {fieldRef: {fieldPath: status.podIPs}}
- name: NODE_NAME
  valueFrom: {fieldRef: {fieldPath: spec.nodeName}}
- name: KUBE_NODE_NAME
  valueFrom: {fieldRef: {fieldPath: spec.nodeName}}
- name: OVN_DB_IPS
  value: {{ include "kube-ovn.dbIPs" . | quote }}
- name: ENABLE_SSL
  value: {{ include "kube-ovn.ssl" . | quote }}
{{- end }}

{{/* Certificates. Pods of OVN wait for the Secret, which the controller makes. */}}
{{- define "kube-ovn.tlsMount" -}}
{{- if eq (include "kube-ovn.ssl" .) "true" -}}
- {name: tls, mountPath: /var/run/tls, readOnly: true}
{{- end }}
{{- end }}

{{- define "kube-ovn.tlsVolume" -}}
{{- if eq (include "kube-ovn.ssl" .) "true" -}}
- name: tls
  secret: {secretName: kube-ovn-tls, defaultMode: 0400}
{{- end }}
{{- end }}
