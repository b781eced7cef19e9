#!/usr/bin/env bash
# Makes a release: everything that an instance runs, in one file that depends on nothing else.
#
# The programs were built and tested on this machine. On Amazon Linux they would find an older C
# library and no ffmpeg at all; so they bring their own libraries, that one included, and its loader.
# The same input makes the same bytes.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/.." && pwd)
# Where the loader and the libraries are looked for; it is written into each program.
home=/opt/reelfleet

usage() {
    cat <<'END'
release.sh [OPTION…]

  --version VERSION     default: what the executable says
  --executable FILE     default: target/release/reelfleet, built if need be
  --ffmpeg FOLDER       holds ffmpeg and ffprobe; default: .tools/ffmpeg (make ffmpeg), else /usr/bin
  --rds-ca FILE         certificates of the authorities of RDS; default: fetched from AWS
  --without-rds-ca      for stacks whose DbSslMode is require
  --output FOLDER       default: target/releases
  --upload BUCKET       put it into the artifact bucket; another release of this version is refused
  --file FILE           make none, but upload this one
  --region REGION, --endpoint-url URL   for --upload
END
}

fail() { printf 'release.sh: %s\n' "$*" >&2 && exit 1; }

FILE='' VERSION='' EXECUTABLE='' FFMPEG='' RDS_CA='' WITHOUT_RDS_CA='' OUTPUT=$root/target/releases
UPLOAD='' REGION='' ENDPOINT=''
while [ $# -gt 0 ]; do
    case $1 in
        --version | --executable | --ffmpeg | --rds-ca | --output | --upload | --file | --region | --endpoint-url)
            [ $# -ge 2 ] || fail "$1 needs a value"
            case $1 in
                --version) VERSION=$2 ;;
                --executable) EXECUTABLE=$2 ;;
                --ffmpeg) FFMPEG=$2 ;;
                --rds-ca) RDS_CA=$2 ;;
                --output) OUTPUT=$2 ;;
                --upload) UPLOAD=$2 ;;
                --file) FILE=$2 ;;
                --region) REGION=$2 ;;
                --endpoint-url) ENDPOINT=$2 ;;
            esac
            shift 2
            ;;
        --without-rds-ca) WITHOUT_RDS_CA=yes && shift ;;
        -h | --help) usage && exit ;;
        *) usage >&2 && exit 2 ;;
    esac
done

export AWS_PAGER='' LC_ALL=C
call() { aws ${REGION:+--region "$REGION"} ${ENDPOINT:+--endpoint-url "$ENDPOINT"} --output json "$@"; }

# A program, without its symbols for debuggers, and the libraries that it loads.
add_program() {
    local from=$1 name=$2 library path
    [ -x "$from" ] || fail "there is no program $from"
    install -m 755 "$from" "$stage/bin/$name"
    objcopy --strip-debug "$stage/bin/$name"
    while read -r library path; do
        [ -e "$stage/lib/$library" ] || install -m 755 "$path" "$stage/lib/$library"
    done < <(libraries "$from")
    patchelf --set-interpreter "$home/lib/$loader" --force-rpath --set-rpath "$home/lib" "$stage/bin/$name"
}

# Names and files of the libraries, and of the loader.
libraries() {
    ldd "$1" | awk '
        /not found/ { print "missing " $1 > "/dev/stderr"; exit 1 }
        $2 == "=>" { print $1, $3 }
        $1 ~ /^\// { n = split($1, parts, "/"); print parts[n], $1 }'
}

fetch_authorities() {
    local to=$stage/share/rds-ca.pem
    if [ -n "$RDS_CA" ]; then
        install -m 644 "$RDS_CA" "$to"
    else
        curl -fsS --proto '=https' --max-time 60 -o "$to" https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem ||
            fail "the authorities of RDS cannot be fetched: give the file with --rds-ca, or leave them out with --without-rds-ca"
    fi
    grep -q 'BEGIN CERTIFICATE' "$to" || fail "there is no certificate in ${RDS_CA:-what AWS sent}"
}

check_version() { [[ $VERSION =~ ^[0-9A-Za-z][0-9A-Za-z.+-]{0,63}$ ]] || fail "'$VERSION' is no version: letters, digits, dots, + and -"; }

make_release() {
    local program library
    [ -z "$VERSION" ] || check_version
    for program in ldd objcopy patchelf tar gzip sha256sum; do
        command -v $program >/dev/null || fail "$program is needed; on Debian: apt-get install patchelf binutils"
    done
    if [ -z "$EXECUTABLE" ]; then
        (cd "$root" && cargo build --release --locked -p reelfleet)
        EXECUTABLE=$root/target/release/reelfleet
    fi
    if [ -z "$FFMPEG" ]; then
        FFMPEG=/usr/bin
        [ ! -x "$root/.tools/ffmpeg/ffmpeg" ] || FFMPEG=$root/.tools/ffmpeg
    fi
    [ -n "$VERSION" ] || VERSION=$("$EXECUTABLE" --version | awk '{ print $2 }')
    check_version

    chmod 755 "$stage"
    umask 022
    mkdir "$stage/bin" "$stage/lib" "$stage/share" "$stage/instance"
    loader=$(libraries "$EXECUTABLE" | awk '$1 ~ /^ld-linux/ { print $1 }')
    [ -n "$loader" ] || fail "$EXECUTABLE names no loader"
    add_program "$EXECUTABLE" reelfleet
    add_program "$FFMPEG/ffmpeg" ffmpeg
    add_program "$FFMPEG/ffprobe" ffprobe
    # What confines ffmpeg. Amazon Linux has prlimit, and no bubblewrap.
    add_program "$(command -v bwrap || fail 'bwrap is needed: apt-get install bubblewrap')" bwrap
    add_program "$(command -v prlimit)" prlimit
    # A library with a search path of its own does not ask its program's.
    for library in "$stage"/lib/*; do
        [ "${library##*/}" = "$loader" ] || [ -z "$(patchelf --print-rpath "$library")" ] ||
            patchelf --force-rpath --set-rpath "$home/lib" "$library"
    done
    [ -n "$WITHOUT_RDS_CA" ] || fetch_authorities
    install -m 755 "$here"/instance/*.sh "$stage/instance/"
    install -m 644 "$here"/instance/*.service "$stage/instance/"
    echo "$VERSION" >"$stage/VERSION"
    # By these two numbers deploy.sh knows which releases work on each other's schema. Only the executable
    # itself knows them: it need not be made of the sources that lie here.
    "$EXECUTABLE" migrate --numbers >"$stage/SCHEMA" || true
    grep -qxE '[0-9]+ [0-9]+' "$stage/SCHEMA" ||
        fail "$EXECUTABLE does not say which migrations it knows (reelfleet migrate --numbers)"
    (cd "$stage" && find . -type f -print0 | sort -z | xargs -0 sha256sum) >"$stage.sums"
    mv "$stage.sums" "$stage/SHA256SUMS"

    mkdir -p "$OUTPUT"
    FILE=$OUTPUT/reelfleet-$VERSION-linux-x86_64.tar.gz
    tar --create --directory "$stage" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --format=gnu . |
        gzip --no-name -6 >"$FILE.new"
    mv "$FILE.new" "$FILE"
}

# Never over another one. One that lies there may be this one, of an upload that was broken off.
put_bundle() {
    local answer there
    answer=$(call s3api put-object --bucket "$UPLOAD" --key "releases/$VERSION/$name" \
        --body "$FILE" --if-none-match '*' 2>&1) && return
    [[ $answer == *PreconditionFailed* || $answer == *ConditionalRequestConflict* ]] ||
        fail "$FILE cannot be uploaded: $answer"
    there=$(call s3 cp --only-show-errors "$folder/$name" - | sha256sum | cut -d' ' -f1) ||
        fail "somebody else uploads this version"
    [ "$there" = "$digest" ] ||
        fail "$folder holds another bundle of this version, $there: somebody else uploads it, or did not finish. Take a new version (--version)"
}

# The digest goes last: deploy.sh knows a release by it, so a half of one is none.
upload() {
    local folder=s3://$UPLOAD/releases/$VERSION there
    there=$(call s3 cp --only-show-errors "$folder/$name.sha256" - 2>/dev/null | cut -d' ' -f1) || true
    if [ "$there" = "$digest" ]; then
        echo "it is in $folder already"
        return
    fi
    [ -z "$there" ] || fail "$folder holds another release of this version, $there. A version never changes: take a new one (--version)"
    tar -xzOf "$FILE" ./SCHEMA >"$stage/SCHEMA" || fail "$FILE is no release"
    put_bundle
    call s3 cp --only-show-errors "$stage/SCHEMA" "$folder/SCHEMA"
    echo "$digest  $name" >"$stage/digest"
    call s3api put-object --bucket "$UPLOAD" --key "releases/$VERSION/$name.sha256" \
        --body "$stage/digest" --if-none-match '*' >/dev/null || fail "somebody else uploads this version"
    echo "uploaded to $folder"
}

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
if [ -z "$FILE" ]; then
    make_release
else
    [ -n "$UPLOAD" ] || fail "--file is for --upload"
    [ -r "$FILE" ] || fail "$FILE cannot be read"
    VERSION=${FILE##*/reelfleet-}
    VERSION=${VERSION%-linux-x86_64.tar.gz}
fi
name=reelfleet-$VERSION-linux-x86_64.tar.gz
[ "${FILE##*/}" = "$name" ] || fail "$FILE is not named as a release is"
digest=$(sha256sum "$FILE" | cut -d' ' -f1)
echo "version $VERSION"
echo "sha256 $digest"
echo "file $FILE ($(($(stat -c %s "$FILE") / 1000000)) MB)"
[ -z "$UPLOAD" ] || upload
