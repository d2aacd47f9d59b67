# Sourced by run.sh and test.sh: makes .venv with recspark in it, once, and again when its
# requirements change. PYTHON names the interpreter to use; otherwise the first fitting one is.
# CONSTRAINTS=spark-3.5 takes the older tested set of versions, scripts/constraints-spark-3.5.txt, in a
# .venv-spark-3.5 of its own.
venv=".venv${CONSTRAINTS:+-$CONSTRAINTS}"
constraints="scripts/constraints${CONSTRAINTS:+-$CONSTRAINTS}.txt"

fits() { # Python 3.10 to 3.13 that can make virtual environments
    "$1" -c 'import ensurepip, sys, venv; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' \
        >/dev/null 2>&1
}

find_python() {
    local name
    for name in ${PYTHON:-python3.11 python3.12 python3.13 python3.10 python3 python}; do
        if fits "$name"; then
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
        echo "CONSTRAINTS=$CONSTRAINTS: there is no $constraints. Remedy: leave CONSTRAINTS out, or one of:" \
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
        echo "The installation failed; all that pip said is in $venv/install.log." >&2
        return 1
    fi
    echo "$wanted" >"$stamp"
}
