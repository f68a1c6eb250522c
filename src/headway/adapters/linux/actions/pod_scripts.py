"""What a pod runs in the job's sandbox, as scripts for /bin/sh. Called by pod, job_container.

A script does in one process what would take several orders to the sandbox, each with files of its
own. They know HEADWAY_BRIEF (the pod's folder), HEADWAY_STORE, HEADWAY_PODMAN, HEADWAY_OCI,
HEADWAY_DRIVER and HEADWAY_IMAGES.
"""

OPEN = """\
cd "$HEADWAY_BRIEF"
rm -rf holder ready api podman net cni
mkdir -p net cni
cat /proc/self/cgroup >cgroup
# `unshare` is what lives on, so that its process is the one that is named in `holder`.
unshare $HEADWAY_NET --mount --propagation private -- sleep infinity \\
    </dev/null >/dev/null 2>&1 &
holder=$!
own=$(readlink "/proc/$$/ns/mnt")
tries=0
while test "$(cat "/proc/$holder/comm" 2>/dev/null)" != sleep; do
    tries=$((tries + 1))
    if test $tries -gt 500 || ! test -d "/proc/$holder"; then
        echo "no namespaces can be made for containers"
        exit 1
    fi
    sleep 0.02
done
test "$(readlink "/proc/$holder/ns/mnt")" != "$own"
echo "$holder" >holder
inside="nsenter -t $holder -n -m --wd=/ --"
# What networks and runtimes note of containers ends with them.
for each in /run/netns "/run/$HEADWAY_RUNTIME"; do
    mkdir -p "$each"
    $inside mount -t tmpfs -o mode=700 headway "$each"
done
if test -d /var/lib/cni || mkdir -p /var/lib/cni; then
    $inside mount --bind "$HEADWAY_BRIEF/cni" /var/lib/cni
fi
{
    echo "export CONTAINERS_CONF='$HEADWAY_BRIEF/conf' DISABLE_HC_SYSTEMD=true"
    printf 'exec %s "%s" --root "%s/root" --runroot "%s/run" --tmpdir "%s/tmp"' "$inside" \\
        "$HEADWAY_PODMAN" "$HEADWAY_STORE" "$HEADWAY_BRIEF" "$HEADWAY_BRIEF"
    printf ' --runtime "%s" --storage-driver "%s"' "$HEADWAY_OCI" "$HEADWAY_DRIVER"
    printf ' --storage-opt "additionalimagestore=%s"' "$HEADWAY_IMAGES"
    printf ' --network-config-dir "%s/net" "$@"\\n' "$HEADWAY_BRIEF"
} >podman
if test -n "$HEADWAY_NET"; then
    slirp4netns --configure --mtu=65520 --disable-host-loopback --api-socket api --ready-fd=3 \\
        "$holder" tap0 3>ready </dev/null >slirp 2>&1 &
    slirp=$!
    tries=0
    until test -s ready; do
        tries=$((tries + 1))
        if test $tries -gt 500 || ! test -d "/proc/$slirp"; then
            cat slirp
            exit 1
        fi
        sleep 0.02
    done
fi
if test -n "$HEADWAY_SUBNET"; then
    /bin/sh podman network create --subnet "$HEADWAY_SUBNET" job >/dev/null
fi
"""

PULL = """\
podman() { "$HEADWAY_PODMAN" --runtime "$HEADWAY_OCI" --events-backend none "$@"; }
name=$HEADWAY_IMAGE
if ! podman image exists "$name"; then
    name=$HEADWAY_WHOLE
    if ! podman image exists "$name"; then
        echo "pulling $name"
        podman pull --quiet ${HEADWAY_AUTH:+--authfile "$HEADWAY_AUTH"} "$name"
    fi
fi
podman image inspect "$name" >image
"""

CLOSE = """\
# Kill all that was started in the pod's mount namespace, those that watch containers before what
# they watch, because they would tidy up behind it in what is being removed; and wait until they
# are gone.
cd "$HEADWAY_BRIEF" || exit 0
holder=/proc/$(cat holder 2>/dev/null)
# Held open, it stays the namespace's name when the holder is gone.
if test -e "$holder/ns/mnt"; then exec 9<"$holder/ns/mnt"; fi
inside=/proc/$$/fd/9
tries=0
while test $tries -lt 100; do
    found=
    for each in /proc/[0-9]*; do
        if test "$each/ns/mnt" -ef "$inside"; then
            kill -9 "${each#/proc/}" 2>/dev/null && found=yes
        fi
    done
    for file in run/*-containers/*/userdata/pidfile; do
        if test -s "$file" && test -e "/proc/$(cat "$file")/ns/mnt"; then
            kill -9 "$(cat "$file")" 2>/dev/null && found=yes
        fi
    done
    if test -z "$found"; then exit 0; fi
    tries=$((tries + 1))
    sleep 0.01
done
exit 0
"""

ANSWERS = """\
# PORTS...: each must be answered at $HEADWAY_ADDRESS, while the container runs.
holder=$(cat "$HEADWAY_BRIEF/holder")
running() {
    /bin/sh "$HEADWAY_BRIEF/podman" container inspect --format '{{.State.Running}}' \\
        "$HEADWAY_NAME" | grep -q true
}
for port; do
    tries=0
    until nsenter -t "$holder" -n -- /bin/bash -c \\
        'exec 3<>"/dev/tcp/$0/$1"' "$HEADWAY_ADDRESS" "$port" 2>/dev/null; do
        tries=$((tries + 1))
        if test $tries -gt 600; then echo "port $port is not answered"; exit 1; fi
        if test $((tries % 10)) -eq 0 && ! running; then echo "it has ended"; exit 1; fi
        sleep 0.1
    done
done
"""

HEALTHY = """\
# Until its own check says so, while it runs; for HEADWAY_PATIENCE seconds, and twice at least.
began=$(cut -d. -f1 /proc/uptime)
tries=0
until /bin/sh "$HEADWAY_BRIEF/podman" healthcheck run "$HEADWAY_NAME" >"$HEADWAY_BRIEF/health" 2>&1
do
    tries=$((tries + 1))
    waited=$(($(cut -d. -f1 /proc/uptime) - began))
    if test $tries -gt 1 && test $waited -ge "$HEADWAY_PATIENCE"; then
        echo "it does not become healthy (waited ${HEADWAY_PATIENCE} s):"
        tail -n 5 "$HEADWAY_BRIEF/health"
        exit 1
    fi
    /bin/sh "$HEADWAY_BRIEF/podman" container inspect --format '{{.State.Running}}' \\
        "$HEADWAY_NAME" | grep -q true || { echo "it has ended"; exit 1; }
    sleep 0.3
done
"""

ENTER = """\
# COMMAND...: podman exec. Its process group is not this one's, so that INT comes here alone, and
# goes on to the process in the container, of which podman would not tell.
cd "$HEADWAY_BRIEF"
echo /proc/[0-9]* >before
interrupted() {
    for file in "$HEADWAY_STORE"/root/*-containers/*/userdata/*/exec_pid; do
        if test -s "$file"; then kill -s INT -- "-$(cat "$file")" 2>/dev/null; fi
    done
}
trap interrupted INT
# What a shell starts in the background would ignore INT, and so would all below it.
env --default-signal=INT,QUIT setsid --wait "$@" &
while :; do
    wait $!
    code=$?
    if ! test -d "/proc/$!"; then exit $code; fi
done
"""

END_STEP = """\
# Kill what a step that was stopped has left in the container. It knows its own namespace. What is
# dead already may stay for ever (without `exe`): the container's first process waits for nobody.
cd "$HEADWAY_BRIEF" || exit 0
before=" $(cat before) "
first=/proc/$(cat first)
if test -e "$first/exe"; then exec 9<"$first/ns/pid"; fi
inside=/proc/$$/fd/9
test "$(readlink "$inside")" = "$(cat inside)" || exit 0
tries=0
while test $tries -lt 50; do
    found=
    for each in /proc/[0-9]*; do
        case "$before" in *" $each "*) continue ;; esac
        if test -e "$each/exe" && test "$each/ns/pid" -ef "$inside"; then
            kill -9 "${each#/proc/}" 2>/dev/null && found=yes
        fi
    done
    if test -z "$found"; then exit 0; fi
    tries=$((tries + 1))
    sleep 0.01
done
"""
