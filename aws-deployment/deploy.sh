#!/usr/bin/env bash
# Plans, deploys, watches, parks and takes down the stacks of one environment. README.md explains.
set -euo pipefail
shopt -s inherit_errexit
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

usage() {
    cat <<'END'
deploy.sh COMMAND --environment NAME [OPTION…]

  plan     show what `up` would change; changes nothing
  up       create or update the stacks in order; starts a parked environment again
  status   stacks, versions, groups, metric, queues, alarms
  logs     what API and workers have logged
  redrive  make dead jobs due again
  park     both groups to zero, the database stopped
  down     delete the stacks in reverse order; keeps what holds data, unless it is named

everywhere
  --environment NAME     prefix of all names, e.g. videos
  --region REGION        else as the aws command finds it
  --endpoint-url URL     an emulator of AWS
  --yes                  do not ask; never enough to lose data

plan, up
  --parameters SET       academy, small, production, or a file; stacks that it does not name are left alone
  --version VERSION      release to run, from the artifact bucket. An older one rolls back
  --set STACK:NAME=VALUE one parameter (may be repeated); kept by later runs, unless SET names it too
  --only STACK           one stack (may be repeated)
  --from STACK           begin with this stack
  --to STACK             end with this stack
  --allow-stateful-replacement STACK/RESOURCE
                         let a change replace or delete this bucket, queue, database or secret (may be repeated)
  --alarm-minutes N      how long after an update alarms still roll it back; default 10
  --no-alarm-rollback    update even though an alarm is ringing
  --templates FOLDER     other templates
  --timeout MINUTES      longest wait for one stack

logs
  --role api|worker      one of them
  --since MINUTES        default 10
  --follow               go on until interrupted

redrive
  --all, or ids of jobs  through the API, with an operator's token in REELFLEET_TOKEN
  --messages             move what SQS itself has put aside; no job becomes due by that

down
  --delete STACK         also this stack, which holds data or is protected (may be repeated)
  --delete-bucket NAME   also this bucket, with all that is in it (may be repeated)
END
}

# shellcheck source=lib/aws.sh
. "$here/lib/aws.sh"
# shellcheck source=lib/options.sh
. "$here/lib/options.sh"
# shellcheck source=lib/changes.sh
. "$here/lib/changes.sh"
# shellcheck source=lib/stacks.sh
. "$here/lib/stacks.sh"
# shellcheck source=lib/release.sh
. "$here/lib/release.sh"
# shellcheck source=lib/check.sh
. "$here/lib/check.sh"
# shellcheck source=lib/warn.sh
. "$here/lib/warn.sh"
# shellcheck source=lib/up.sh
. "$here/lib/up.sh"
# shellcheck source=lib/status.sh
. "$here/lib/status.sh"
# shellcheck source=lib/logs.sh
. "$here/lib/logs.sh"
# shellcheck source=lib/redrive.sh
. "$here/lib/redrive.sh"
# shellcheck source=lib/park.sh
. "$here/lib/park.sh"
# shellcheck source=lib/down.sh
. "$here/lib/down.sh"

read_options "$@"
need aws jq
SCRATCH=$(mktemp -d)
trap 'rm -rf "$SCRATCH"' EXIT
"command_$COMMAND"
