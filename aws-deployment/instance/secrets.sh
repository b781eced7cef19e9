#!/bin/bash
# Fetches the role's secrets into /run/reelfleet, which is memory: secrets.sh api|worker
#
# It runs before every start of the role, as root: so a restart of the instance has them, and a
# restart of the role has those that were rotated.
set -euo pipefail

role=${1:?api or worker}
settings=/etc/reelfleet/stack.env
folder=/run/reelfleet
authorities=/opt/reelfleet/share/rds-ca.pem

setting() { sed -n "s/^$1=//p" "$settings" | tail -n 1; }

export AWS_RETRY_MODE=standard AWS_MAX_ATTEMPTS=5
AWS_DEFAULT_REGION=$(setting AWS_REGION)
export AWS_DEFAULT_REGION

umask 077
install -d -m 750 -o root -g reelfleet "$folder"

# Standard input becomes a file that the role alone may read. Never half of it.
put() {
    cat >"$folder/$1.new"
    [ -s "$folder/$1.new" ] || { rm "$folder/$1.new" && return 1; }
    chown reelfleet:reelfleet "$folder/$1.new"
    chmod 400 "$folder/$1.new"
    mv "$folder/$1.new" "$folder/$1"
}

fetch() {
    timeout 60 aws secretsmanager get-secret-value --secret-id "$1" --query SecretString --output text
}

# Where it cannot be fetched anew, the one from the last start does: a role that stops is worse.
keep() {
    [ -s "$folder/$1" ] || { echo "the secret for $1 cannot be fetched" >&2 && exit 1; }
    echo "the secret for $1 cannot be fetched: the last one is used" >&2
}

# The secret's JSON on standard input, the address of the database on standard output. It passes
# through no argument: those can be seen by everybody.
database_url() {
    python3 -c '
import json, sys
from urllib.parse import quote
host, port, name, authorities = sys.argv[1:]
secret = json.load(sys.stdin)
who = quote(secret["username"], safe="") + ":" + quote(secret["password"], safe="")
tail = "?sslrootcert=" + quote(authorities) if authorities else ""
print(f"postgres://{who}@{host}:{port}/{name}{tail}", end="")
' "$@"
}

checked=''
if [ "$(setting DB_SSL_MODE)" = verify-full ]; then
    [ -s "$authorities" ] || {
        echo "DB_SSL_MODE is verify-full, and the release carries no authorities of RDS ($authorities): build it with release.sh --rds-ca, or set DbSslMode to require" >&2
        exit 1
    }
    checked=$authorities
fi
fetch "$(setting BOOT_DB_SECRET)" |
    database_url "$(setting BOOT_DB_HOST)" "$(setting BOOT_DB_PORT)" "$(setting BOOT_DB_NAME)" "$checked" |
    put database_url || keep database_url
if [ "$role" = api ]; then
    fetch "$(setting BOOT_JWT_SECRET)" | put jwt_secret || keep jwt_secret
fi
