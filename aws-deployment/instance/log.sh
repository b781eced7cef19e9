#!/bin/bash
# Writes what a role says to the journal into a file, as the agent of CloudWatch reads files. Newer
# agents read the journal themselves; which one the package archive has is not ours to choose.
# log.sh api|worker [FOLDER BYTES SECONDS]
#
# The journal is read again and again from where the last reading ended, which journalctl notes. In
# between the file is set aside when it has BYTES, and the one before it is deleted: so the disk does
# not fill, and no line is lost or cut. Nothing else turns it: Amazon Linux 2023 need not have
# logrotate for this.
set -euo pipefail

role=${1:?api or worker}
folder=${2:-/var/log/reelfleet}
most=${3:-20971520}
pause=${4:-2}
file=$folder/service.log

while :; do
    # After the pause: the agent has read all of it by now, and opens the new one by its name.
    if [ "$(stat --format %s "$file" 2>/dev/null || echo 0)" -ge "$most" ]; then
        mv "$file" "$file.1"
    fi
    # A reading that fails is made again: the note of where the last one ended is still there.
    journalctl --quiet --unit="reelfleet-$role" --output=cat --cursor-file="$folder/cursor" >>"$file" ||
        echo "the journal cannot be read, or its file not written, now" >&2
    sleep "$pause"
done
