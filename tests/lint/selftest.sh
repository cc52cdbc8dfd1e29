#!/bin/sh
# Lint has to be able to fail: in a small tree that passes, each kind of violation makes its check fail, and no other.
set -u
lint=tests/lint/lint.sh
tree=build/lint-selftest
status=0
trap 'rm -rf "$tree"' EXIT

fresh() {
	rm -rf "$tree"
	mkdir -p "$tree/common/base" "$tree/common/text" "$tree/common/http" "$tree/common/serve" "$tree/common/source" "$tree/sidecar/get" "$tree/init" "$tree/tests/lint" "$tree/images/kubernetes"
	cp tests/lint/layers.txt "$tree/tests/lint/"
	printf '#include "common/base/buf.h"\n\nint buf_x(void) {\n    return 1;\n}\n' >"$tree/common/base/buf.c"
	printf '#ifndef POD_IDENTITY_BASE_BUF_H\n#define POD_IDENTITY_BASE_BUF_H\nint buf_x(void);\n#endif\n' >"$tree/common/base/buf.h"
	# log calls buf; their headers know nothing of each other
	printf '#include "common/base/log.h"\n\n#include "common/base/buf.h"\n\nint log_x(void) {\n    return buf_x();\n}\n' >"$tree/common/base/log.c"
	printf '#ifndef POD_IDENTITY_BASE_LOG_H\n#define POD_IDENTITY_BASE_LOG_H\nint log_x(void);\n#endif\n' >"$tree/common/base/log.h"
	printf 'a:\n  expression: >-\n    {b: [1]} +\n    [2]\n  c: d # {e}\n  "f": "{g}"\n' >"$tree/images/kubernetes/x.yaml"
	for program in init sidecar; do
		printf '#include "common/base/buf.h"\n\nint main(void) {\n    return buf_x();\n}\n' >"$tree/$program/main.c"
	done
}

# A temporary file in the real repository is not needed: the checks take a folder.
lint() {
	sh "$lint" "$tree" "$@" >/dev/null 2>&1
}

violate() { # violate CHECK FILE TEXT: appended to FILE, TEXT makes CHECK fail
	fresh
	printf '%b\n' "$3" >>"$tree/$2"
	if lint "$1"; then
		echo "selftest: $1 does not see in $2: $3"
		status=1
	fi
}

fresh
for check in $(sh "$lint" . list); do
	lint "$check" || {
		echo "selftest: $check fails on a clean tree"
		status=1
	}
done

violate owner_curl sidecar/main.c '#include <curl/curl.h>'
violate owner_cjson common/base/buf.c '#include "cJSON.h"'
violate owner_bearssl init/main.c '#include <bearssl.h>'
violate layers common/base/buf.c '#include "init/config.h"'
violate layers common/base/buf.h '#include "buf.h"'
violate layers common/base/buf.h '#include "common/text/json.h"'
violate layers common/text/json.c '#include "common/http/http.h"'
violate layers init/main.c '#include "sidecar/config.h"'
violate layers sidecar/main.c '#include "init/config.h"'
violate layers sidecar/get/main.c '#include "sidecar/config.h"'
violate layers sidecar/get/main.c '#include "common/aws/sts.h"'
violate layers common/unheard_of.c 'int x;'
violate layers common/base/buf.h '#include "common/base/log.h"'
violate layers common/base/buf.c '#include "common/base/log.h"\n\nint buf_y(void) {\n    return log_x();\n}'
violate layers common/base/buf.h 'int log_x(void);'
violate layers common/base/buf.h 'typedef int number(void);\nnumber log_x;'
violate pure common/source/refresh.c 'int64_t x = clock_now().wall_ms;'
violate pure common/serve/request.c '    read(fd, b, 1);'
violate one_clock init/main.c '    time(NULL);'
violate no_allocation common/base/buf.c '    char *p = malloc(3);'
violate no_allocation sidecar/main.c '    p = strdup(q);'
violate no_allocation common/http/http.c 'a = malloc(1);\nb = realloc(a, 2);'
violate banned_calls common/base/buf.c '    strcpy(a, b);'
violate banned_calls sidecar/main.c '    system("x");'
violate banned_calls init/main.c '    sprintf(a, "%%s", b);'
violate costly_calls sidecar/config.c '    mode = strtoul(value, \&end, 8);'
violate no_prints sidecar/main.c '    printf("%%s", secret);'
violate no_prints common/base/buf.c '    exit(1);'
violate file_length common/base/buf.c "$(yes '\n' | head -n 450 | tr -d '\n')"
violate file_length tests/test_x.py "$(yes 'x = 1\n' | head -n 451 | tr -d '\n')"
violate function_length common/base/buf.c "int f(void) {\\n$(yes '    x();\n' | head -n 70 | tr -d '\n')}"
violate help Makefile '.PHONY: here\nhere: all\n\t@true'
violate help tests/own.mk '.PHONY: here\nhere: all ##\n\t@true'
violate leftovers Makefile '# T''ODO: later'
violate hosts Makefile 'URL = https://deb.''debian.org/debian'
violate hosts tests/requirements.txt '--index-url https://py''pi.org/simple'
violate machine_words Makefile 'cd /wo''rk/here'
violate headers init/config.h 'int x;'
violate headers init/config.h '#ifndef POD_IDENTITY_CONFIG_H\n#define POD_IDENTITY_CONFIG_H\n#endif'
violate manifests images/kubernetes/x.yaml 'metadata: {name: x}'
violate manifests images/kubernetes/x.yaml 'command: [a]'
violate manifests images/kubernetes/x.yaml 'a:\n  - {b: c}'
violate manifests images/kubernetes/x.yaml 'a: &b\n  c: d'
violate manifests images/kubernetes/x.yaml 'e: *b'
violate manifests images/kubernetes/x.yaml "# $(yes x | head -n 120 | tr -d '\n')"
violate whitespace common/base/buf.c 'int x; '
exit $status
