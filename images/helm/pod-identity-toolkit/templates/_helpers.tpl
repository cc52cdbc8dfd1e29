{{- /* The image of a program, IMAGE being agent, init or sidecar: (list $ "agent") */ -}}
{{- define "pit.image" -}}
{{- $root := index . 0 }}{{ $program := index . 1 -}}
{{- $digest := index $root.Values.images.digests $program -}}
{{- $root.Values.images.registry }}/pod-identity-{{ $program -}}
{{- if $digest }}@{{ $digest }}{{ else }}:{{ $root.Values.images.tag | default $root.Chart.AppVersion }}{{ end -}}
{{- end }}

{{- /* The labels of the chart, as YAML. */ -}}
{{- define "pit.labels" -}}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: pod-identity-toolkit
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- /* The objects of one of our manifests, as a JSON list: (list $ "agent/cloud") */ -}}
{{- define "pit.manifest" -}}
{{- $root := index . 0 }}{{ $name := printf "manifests/%s.yaml" (index . 1) -}}
{{- $text := $root.Files.Get $name | required (printf "%s is not in this chart: it was packaged without following links" $name) -}}
{{- $objects := list -}}
{{- range regexSplit "(?m)^---\\s*$" $text -1 -}}
{{- $object := fromYaml . -}}
{{- if hasKey $object "Error" }}{{ fail (printf "%s: %s" $name $object.Error) }}{{ end -}}
{{- if $object }}{{ $objects = append $objects $object }}{{ end -}}
{{- end -}}
{{- toJson $objects -}}
{{- end }}

{{- /* One object with the chart's labels, and, if it has a namespace, that of the release: (list $ object) */ -}}
{{- define "pit.emit" -}}
{{- $root := index . 0 }}{{ $object := index . 1 -}}
{{- $labels := merge (default dict $object.metadata.labels) (include "pit.labels" $root | fromYaml) -}}
{{- $_ := set $object.metadata "labels" $labels -}}
{{- if $object.metadata.namespace }}{{ $_ := set $object.metadata "namespace" $root.Release.Namespace }}{{ end }}
---
{{ toYaml $object }}
{{- end }}

{{- /* The API version of mutating policies: as told, or what the cluster serves. */ -}}
{{- define "pit.mutating" -}}
{{- $group := "admissionregistration.k8s.io" -}}
{{- if .Values.mutatingPolicies.apiVersion -}}
{{- $group }}/{{ .Values.mutatingPolicies.apiVersion -}}
{{- else if or (.Capabilities.APIVersions.Has (printf "%s/v1/MutatingAdmissionPolicy" $group)) (semverCompare ">=1.36.0-0" .Capabilities.KubeVersion.Version) -}}
{{- $group }}/v1
{{- else if .Capabilities.APIVersions.Has (printf "%s/v1beta1/MutatingAdmissionPolicy" $group) -}}
{{- $group }}/v1beta1
{{- else -}}
{{- fail (printf "Kubernetes %s serves no MutatingAdmissionPolicy: it is stable from 1.36, and in 1.34 and 1.35 the API server's owner turns it on. Set anyCluster.injection=false and policies.inject=false, and webhook.enabled=true, which does the same on any version, or mutatingPolicies.apiVersion=v1beta1 if it is on and helm cannot ask the cluster" .Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- end }}
