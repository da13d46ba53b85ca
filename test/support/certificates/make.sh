#!/bin/sh
# Makes every certificate of this folder anew. See README.md.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
: > "$work/index.txt"
cat > "$work/ca.cnf" << END
[ca]
default_ca = it
[it]
database = $work/index.txt
new_certs_dir = $work
default_md = sha256
rand_serial = yes
unique_subject = no
policy = any
[any]
commonName = supplied
END

# NAME AUTHORITY SUBJECT EXTENSION END: `openssl ca`, since older releases of `openssl x509` know no first day.
certificate() {
  openssl req -config /dev/null -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "$3" -keyout "$work/$1.key" \
    -out "$work/$1.csr"
  printf '%s\n' "$4" > "$work/ext"
  by="-cert $work/$2.pem"
  if [ "$1" = "$2" ]; then by=-selfsign; fi
  # shellcheck disable=SC2086
  openssl ca -batch -notext -config "$work/ca.cnf" $by -keyfile "$work/$2.key" -in "$work/$1.csr" \
    -extfile "$work/ext" -startdate 20200101000000Z -enddate "$5" -out "$work/$1.pem"
}

end=21200101000000Z
authority='basicConstraints=critical,CA:TRUE'
server='subjectAltName=DNS:localhost,IP:127.0.0.1'
certificate ca ca '/CN=Quorate test authority' "$authority" $end
certificate stranger-ca stranger-ca '/CN=Quorate test stranger' "$authority" $end
certificate server ca '/CN=first server' "$server" $end
certificate renewed ca '/CN=renewed server' "$server" $end
certificate expired ca '/CN=expired server' "$server" 20210101000000Z
certificate client ca '/CN=pump-7' 'subjectAltName=DNS:pump-7.example,URI:urn:device:7' $end
certificate stranger stranger-ca '/CN=pump-7' 'subjectAltName=DNS:pump-7.example' $end

cp "$work/ca.pem" .
for name in server renewed expired client stranger; do cp "$work/$name.pem" "$work/$name.key" .; done
chmod 644 ./*.key
