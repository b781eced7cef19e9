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

# Two numbers of a release: its newest migration, and which one another release must know to work on its
# schema. Nothing for one that does not say. One that says a single number refuses every other schema.
release_schema() {
    local bucket=$1 version=$2
    call s3 cp --only-show-errors "s3://$bucket/releases/$version/SCHEMA" - 2>/dev/null |
        awk '/^[0-9]+( [0-9]+)?$/ { print $1, ($2 == "" ? $1 : $2) }' || true
}

# A release does not start on a schema that needs a migration it does not know. So it is not rolled back
# to; and an update that makes such a schema for the release that runs cannot be undone: FORWARD_ONLY says
# so. What earlier releases made, that ran before the one that does now, only the database knows: a
# release that it refuses does not come up, and CloudFormation rolls back to the one that runs.
guard_schema() {
    local description=$1 bucket running old needs_old new needs_new brings
    FORWARD_ONLY=
    running=$(jq -r '.Parameters[]? | select(.ParameterKey == "AppVersion").ParameterValue' <<<"$description")
    [ -n "$running" ] && [ "$running" != "$VERSION" ] || return 0
    bucket=$(output 02-s3-iam ArtifactBucket)
    read -r new needs_new <<<"$(release_schema "$bucket" "$VERSION")" || true
    read -r old needs_old <<<"$(release_schema "$bucket" "$running")" || true
    [ -n "$old" ] && [ -n "$new" ] || return 0
    [ "$new" -ge "$needs_old" ] ||
        refuse "release $VERSION knows migrations up to $new, and the schema of $running needs $needs_old: it would not start. Put back a snapshot of the database for it, or mend forward."
    [ "$new" -gt "$old" ] || return 0
    brings="the release brings $((new - old)) migration$([ $((new - old)) = 1 ] || echo s)"
    if [ "$old" -ge "$needs_new" ]; then
        note "$brings, and $running works on that schema, too: CloudFormation can roll it back (README: Upgrade, and back)."
        return 0
    fi
    # shellcheck disable=SC2034 # up.sh reads it
    FORWARD_ONLY=yes
    note "forward only: $brings, and $running does not work on that schema: it knows $old, $needs_new is needed. CloudFormation cannot roll it back, so no alarm will try to (README: Upgrade, and back)."
}
