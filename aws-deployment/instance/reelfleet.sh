#!/bin/bash
# A command of reelfleet on an instance, with the role's settings and as its user:
# sudo /opt/reelfleet/instance/reelfleet.sh account you@example.org --operator
set -euo pipefail
exec systemd-run --quiet --collect --wait --pipe --uid=reelfleet --gid=reelfleet \
    --working-directory=/var/lib/reelfleet --property=EnvironmentFile=/etc/reelfleet/service.env \
    --setenv=DATABASE_URL_FILE=/run/reelfleet/database_url \
    /opt/reelfleet/bin/reelfleet "$@"
