# What the scripts beside this one share: where things are, and how a program is started, waited for and ended.

repository=$(cd "$(dirname "$0")/../.." && pwd)
# Where the account that runs PostgreSQL can get to, which a checkout need not be.
state=${CLUSTER_DIR:-/tmp/voicehive-cluster}
voicehive=${VOICEHIVE_BIN:-$repository/target/release/voicehive}
postgresql=$(dirname "$(readlink -f "$(command -v initdb || ls /usr/lib/postgresql/*/bin/initdb | sort -V | tail -n 1)")")
account=postgres

front=7000 statistics=7009
primary_port=7132 replica_port=7133 pooler_port=7632
# The third server's network: one link for its clients, one for its database, so that each can be cut.
network=voicehive-3
front_host=10.231.7.1 front_peer=10.231.7.2 database_host=10.231.8.1 database_peer=10.231.8.2

say() { printf '%s\n' "$*" >&2; }

# Before a command: as the account that may do less than root.
as_account="setpriv --reuid=$account --regid=$account --init-groups"

# An id that was written down may meanwhile be another program's: the moment at which it began tells them apart.
began() { cut -d ' ' -f 22 "/proc/$1/stat" 2>/dev/null; }

is_running() {
    [ -f "$state/$1.pid" ] || return 1
    read -r pid since <"$state/$1.pid" || return 1
    [ "$(began "$pid")" = "$since" ] && [ "$(cut -d ' ' -f 3 "/proc/$pid/stat")" != Z ]
}

# Starts a program that stays in the foreground: start NAME PROGRAM ARGUMENT...
start() {
    name=$1
    shift
    # shellcheck disable=SC2016
    setsid sh -c 'echo $$ "$(cut -d " " -f 22 /proc/$$/stat)" >"$0"; exec "$@"' "$state/$name.pid" "$@" >>"$state/$name.log" 2>&1 </dev/null &
}

# Waits until a command works: await WHAT SECONDS COMMAND...
await() {
    what=$1 tries=$(($2 * 10))
    shift 2
    until "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        if [ "$tries" -le 0 ]; then
            say "Not in time: $what. The logs are in $state."
            return 1
        fi
        sleep 0.1
    done
}

# Ends a program, and returns when it has: stop NAME SIGNAL
stop() {
    if is_running "$1"; then
        kill "-$2" "$pid"
        await "$1 ends" 60 is_gone "$1"
    fi
    rm -f "$state/$1.pid"
}

is_gone() { ! is_running "$1"; }

in_database() { PGPASSWORD=$(cat "$state/password") "$postgresql/psql" -h 127.0.0.1 -p "$1" -U voicehive -d voicehive -Atqc "$2"; }

# HAProxy sends requests to each of the three servers.
all_servers_are_up() { [ "$(curl -fsS "http://127.0.0.1:$statistics/;csv" | grep -c '^servers,server.*,UP,')" = 3 ]; }

# Writes a configuration from its template beside this file: fill NAME
fill() {
    sed -e "s|@STATE@|$state|g" -e "s|@NODE@|${node:-}|g" -e "s|@PORT@|${port:-}|g" -e "s|@REST@|${rest:-}|g" \
        -e "s|@PASSWORD@|$(cat "$state/password")|g" -e "s|@POSTGRESQL@|$postgresql|g" -e "s|@FRONT@|$front|g" \
        -e "s|@STATISTICS@|$statistics|g" -e "s|@PRIMARY@|$primary_port|g" -e "s|@REPLICA@|$replica_port|g" \
        -e "s|@POOLER@|$pooler_port|g" -e "s|@DATABASE_HOST@|$database_host|g" -e "s|@FRONT_PEER@|$front_peer|g" \
        "$repository/deploy/cluster/$1"
}
