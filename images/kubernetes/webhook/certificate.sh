#!/bin/sh
# The webhook's certificate without cert-manager: certificate.sh [renew]. Needs openssl 1.1.1 or later, and kubectl.
#
# Makes the Secret pod-identity-webhook if it is not there, for ten years; with `renew`, in any case. Its authority is made
# anew each time, and the authority's key is thrown away. Then it tells the API server which authorities to trust, in the
# configurations that are there: the new one, and the one before, since servers take the new certificate a minute later.
# Run it again once a configuration is applied. NAMESPACE and KUBECTL may be set.
set -eu
namespace=${NAMESPACE:-pod-identity}
name=pod-identity-webhook
days=3650

kube() {
	${KUBECTL:-kubectl} "$@"
}

secret() { # secret KEY: its value, in base64
	kube -n "$namespace" get secret "$name" --ignore-not-found -o "jsonpath={.data.$1}"
}

case ${1-} in
'' | renew) ;;
*)
	echo 'usage: certificate.sh [renew]' >&2
	exit 64
	;;
esac
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT INT TERM
umask 077

secret 'ca\.crt' | openssl base64 -d -A >"$folder/old.crt"
if [ -s "$folder/old.crt" ] && [ "${1-}" != renew ]; then
	echo "the Secret $namespace/$name is there"
	secret 'ca\.crt' | openssl base64 -d -A >"$folder/ca.crt"
	secret 'old\.crt' | openssl base64 -d -A >"$folder/old.crt"
else
	new='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
	# shellcheck disable=SC2086  # a list of words
	openssl req -x509 $new -keyout "$folder/ca.key" -out "$folder/ca.crt" -days $days -subj "/CN=$name authority $(date +%F)" \
		-addext basicConstraints=critical,CA:TRUE,pathlen:0 -addext keyUsage=critical,keyCertSign 2>"$folder/said" || {
		cat "$folder/said" >&2
		exit 1
	}
	# shellcheck disable=SC2086
	openssl req $new -keyout "$folder/tls.key" -out "$folder/tls.csr" -subj "/CN=$name.$namespace.svc" 2>"$folder/said" || {
		cat "$folder/said" >&2
		exit 1
	}
	printf '%s\n' "subjectAltName=DNS:$name.$namespace.svc" basicConstraints=critical,CA:FALSE keyUsage=critical,digitalSignature \
		extendedKeyUsage=serverAuth >"$folder/extensions"
	openssl x509 -req -in "$folder/tls.csr" -CA "$folder/ca.crt" -CAkey "$folder/ca.key" -CAcreateserial -days $days \
		-extfile "$folder/extensions" -out "$folder/tls.crt" 2>"$folder/said" || {
		cat "$folder/said" >&2
		exit 1
	}
fi

# Trusted before it is used.
bundle=$(cat "$folder/ca.crt" "$folder/old.crt" | openssl base64 -A)
for configuration in pod-identity-toolkit pod-identity-toolkit-identity; do
	entries=$(kube get mutatingwebhookconfiguration "$configuration" --ignore-not-found -o 'jsonpath={.webhooks[*].name}')
	number=0
	patch=
	for _ in $entries; do
		patch="$patch${patch:+,}{\"op\": \"add\", \"path\": \"/webhooks/$number/clientConfig/caBundle\", \"value\": \"$bundle\"}"
		number=$((number + 1))
	done
	if [ -n "$patch" ]; then
		kube patch mutatingwebhookconfiguration "$configuration" --type=json -p "[$patch]"
	else
		echo "no MutatingWebhookConfiguration $configuration: if you apply it later, run this again then"
	fi
done
if [ -e "$folder/tls.crt" ]; then
	kube -n "$namespace" create secret generic "$name" --type=kubernetes.io/tls --dry-run=client -o yaml --from-file="$folder/tls.crt" \
		--from-file="$folder/tls.key" --from-file="$folder/ca.crt" --from-file="$folder/old.crt" | kube apply -f -
fi
