#!/bin/sh
# What a cluster's programs know one another by: pki.sh FOLDER. A CA, the API server's certificate and the kubelet's, a kubeconfig for each client,
# and the key that signs service account tokens.
set -eu
cd "$1"
new='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'

# shellcheck disable=SC2086  # a list of words
openssl req -x509 $new -keyout ca.key -out ca.crt -days 30 -subj '/CN=Test cluster' -addext keyUsage=critical,keyCertSign

issue() { # issue NAME SUBJECT EXTENSION
	# shellcheck disable=SC2086
	openssl req $new -keyout "$1.key" -out "$1.csr" -subj "$2"
	printf '%s\n' "$3" >"$1.ext"
	openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -out "$1.crt" -extfile "$1.ext"
	rm "$1.csr" "$1.ext"
}

client() { # client NAME SUBJECT
	issue "$1" "$2" extendedKeyUsage=clientAuth
	cat >"$1.kubeconfig" <<-END
		apiVersion: v1
		kind: Config
		clusters: [{name: test, cluster: {server: "https://10.96.0.1", certificate-authority: "$PWD/ca.crt"}}]
		users: [{name: test, user: {client-certificate: "$PWD/$1.crt", client-key: "$PWD/$1.key"}}]
		contexts: [{name: test, context: {cluster: test, user: test}}]
		current-context: test
	END
}

service=DNS:kubernetes.default.svc
issue apiserver /CN=kube-apiserver \
	"subjectAltName=DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,$service,$service.cluster.local,IP:127.0.0.1,IP:10.96.0.1,IP:10.99.0.1"
issue kubelet-server /CN=node 'subjectAltName=DNS:node,IP:10.99.0.1'
issue webhook /CN=webhook 'subjectAltName=DNS:localhost,IP:127.0.0.1'
client admin /O=system:masters/CN=admin
client manager /CN=system:kube-controller-manager
client scheduler /CN=system:kube-scheduler
client kubelet /O=system:nodes/CN=system:node:node
client to-kubelet /O=system:masters/CN=apiserver
openssl genrsa -out accounts.key 2048
openssl rsa -in accounts.key -pubout -out accounts.pub
