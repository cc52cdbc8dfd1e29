# shellcheck shell=sh disable=SC2154  # $out is of lib.sh
# For SDKs that come from a repository of Maven; sourced below lib.sh, with shared='../maven.sh ../Line.java' above it.

# Maven, quietly, with a repository that all families share, one process at a time.
maven() { # maven NAME WORD...: NAME.log says what it did
	name=$1
	shift
	command -v mvn >/dev/null || cannot 'there is no mvn'
	command -v javac >/dev/null || cannot 'there is no javac'
	mkdir -p "$out/../maven"
	flock "$out/../maven/.lock" mvn -q -B "-Dmaven.repo.local=$out/../maven" "$@" >"$out/$name.log" 2>&1 ||
		cannot "mvn: $(grep -m 1 ERROR "$out/$name.log" || tail -n 1 "$out/$name.log")"
}

# Main.java with what pom.xml names, in this version: the class path is then OUTDIR/NAME and OUTDIR/NAME/lib/*.
java_client() { # java_client NAME VERSION
	rm -rf "${out:?}/$1"
	maven "$1" -f "$src/pom.xml" "-Dsdk.version=$2" "-DoutputDirectory=$out/$1/lib" -DincludeScope=runtime \
		org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies
	javac -nowarn -cp "$out/$1/lib/*" -d "$out/$1" "$src/../Line.java" "$src/Main.java"
}
