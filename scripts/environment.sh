# Sourced by run.sh and test.sh. Creates .venv and installs recspark into it, and does so again when the
# requirements change. PYTHON names the interpreter; by default the first suitable one is used.
# CONSTRAINTS=spark-3.5 installs the older tested set of versions, scripts/constraints-spark-3.5.txt, into
# a separate .venv-spark-3.5.
venv=".venv${CONSTRAINTS:+-$CONSTRAINTS}"
constraints="scripts/constraints${CONSTRAINTS:+-$CONSTRAINTS}.txt"

is_suitable() { # Python 3.10 to 3.13 that can create virtual environments
    "$1" -c 'import ensurepip, sys, venv; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' \
        >/dev/null 2>&1
}

find_python() {
    local name
    for name in ${PYTHON:-python3.11 python3.12 python3.13 python3.10 python3 python}; do
        if is_suitable "$name"; then
            command -v "$name"
            return
        fi
    done
    echo "No Python 3.10 to 3.13 with venv was found (tried: ${PYTHON:-the PATH})." >&2
    echo "Remedy: install one, or name it: PYTHON=/path/to/python3.11 $0" >&2
    return 1
}

# install_recspark EXTRAS: e.g. "" or "[dev]"
install_recspark() {
    local extras=$1 python wanted stamp
    if [ ! -f "$constraints" ]; then
        echo "CONSTRAINTS=$CONSTRAINTS: $constraints does not exist. Remedy: unset CONSTRAINTS, or use one of:" \
            "$(ls scripts | sed -n 's/^constraints-\(.*\)\.txt$/CONSTRAINTS=\1/p')" >&2
        return 2
    fi
    wanted="$(cat setup.py recspark/cluster/requirements.py "$constraints" | cksum) $PWD"
    stamp="$venv/installed$extras"
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
        return
    fi
    python=$(find_python) || return 1
    echo "Installing recspark$extras into $venv with $python (once; a minute or more) …" >&2
    [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
    if ! "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
        --constraint "$constraints" --editable ".$extras" >"$venv/install.log" 2>&1; then
        tail -n 20 "$venv/install.log" >&2
        echo "The installation failed; the full output of pip is in $venv/install.log." >&2
        return 1
    fi
    echo "$wanted" >"$stamp"
}
