# The release that groups run: it must be in the artifact bucket before they are told of it.
# shellcheck shell=bash

# The digest of --version, as release.sh wrote it beside the bundle.
release_digest() {
    local bucket name=reelfleet-$VERSION-linux-x86_64.tar.gz digest
    bucket=$(output 02-s3-iam ArtifactBucket)
    [ -n "$bucket" ] || refuse "there is no artifact bucket yet: $(again up) --to 04-rds-database"
    digest=$(call s3 cp --only-show-errors "s3://$bucket/releases/$VERSION/$name.sha256" - 2>/dev/null | cut -d' ' -f1) || true
    [[ $digest =~ ^[0-9a-f]{64}$ ]] ||
        refuse "release $VERSION is not in s3://$bucket/releases. Upload it first: ./release.sh --version $VERSION --upload $bucket"
    printf '%s' "$digest"
}

# How many migrations a release brings; nothing for one that does not say.
release_schema() {
    local bucket=$1 version=$2
    call s3 cp --only-show-errors "s3://$bucket/releases/$version/SCHEMA" - 2>/dev/null | grep -xE '[0-9]+' || true
}

# A release does not start on the schema of a later one. So it is not rolled back to; and an update
# to one with further migrations cannot be undone once they were made: FORWARD_ONLY says so.
guard_schema() {
    local description=$1 bucket running old new
    FORWARD_ONLY=
    running=$(jq -r '.Parameters[]? | select(.ParameterKey == "AppVersion").ParameterValue' <<<"$description")
    [ -n "$running" ] && [ "$running" != "$VERSION" ] || return 0
    bucket=$(output 02-s3-iam ArtifactBucket)
    new=$(release_schema "$bucket" "$VERSION")
    old=$(release_schema "$bucket" "$running")
    [ -z "$old" ] || [ -z "$new" ] || [ "$new" -ge "$old" ] ||
        refuse "release $VERSION knows $new migrations and $running has made $old: it would not start. Put back a snapshot of the database for it, or mend forward."
    [ -n "$old" ] && [ -n "$new" ] && [ "$new" -gt "$old" ] || return 0
    # shellcheck disable=SC2034 # up.sh reads it
    FORWARD_ONLY=yes
    note "forward only: the release brings $((new - old)) migration$([ $((new - old)) = 1 ] || echo s); CloudFormation cannot roll it back. No alarm will try to (README: Upgrade, and back)."
}
