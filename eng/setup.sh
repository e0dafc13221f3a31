# Sourced by ./graft and ./test: sets up what is missing, once, and says what it does. A second call only compares two stamps.
# Needs: Debian or Ubuntu (or LIBTORCH set elsewhere), the .NET 10 SDK.

GRAFT_HOME="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
export GRAFT_HOME
ARTIFACTS="$GRAFT_HOME/artifacts"
PACKAGES_NATIVE=(g++ cmake ninja-build libpng-dev libturbojpeg0-dev libwebp-dev)
PACKAGES_TORCH=(libopenblas0-pthread libtorch-dev libgloo-dev) # the last for several processes only

say() { printf 'graft: %s\n' "$*" >&2; }
fail() { say "$*"; exit 2; }

# One line that changes when any file that matters does: names, sizes, times.
stamp_of() {
    (cd "$GRAFT_HOME" && find "$@" -type f ! -path '*/obj/*' ! -path '*/bin/*' -printf '%p %s %T@\n' 2>/dev/null | LC_ALL=C sort | sha1sum | cut -d' ' -f1)
}

installed() { dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q 'ok installed'; }

missing_packages() {
    local wanted=("${PACKAGES_NATIVE[@]}") package
    [ -n "${LIBTORCH:-}" ] || wanted+=("${PACKAGES_TORCH[@]}")
    for package in "${wanted[@]}"; do
        case "$package" in # a tool from elsewhere serves as well as the package
            g++) command -v c++ >/dev/null && continue ;;
            cmake) command -v cmake >/dev/null && continue ;;
            ninja-build) command -v ninja >/dev/null && continue ;;
            libtorch-dev | libgloo-dev) installed "${package%-dev}-cuda-dev" && continue ;; # with CUDA (Debian's contrib)
        esac
        installed "$package" || printf '%s ' "$package"
    done
}

install_packages() {
    local missing
    if ! command -v dpkg-query >/dev/null; then
        command -v cmake >/dev/null && command -v c++ >/dev/null && [ -n "${LIBTORCH:-}" ] && return
        fail "this is no Debian or Ubuntu: install CMake, Ninja, a C++ compiler, libpng, libjpeg-turbo (TurboJPEG) and libwebp, and set LIBTORCH to a libtorch."
    fi
    missing="$(missing_packages)"
    [ -n "$missing" ] || return 0
    local root=()
    if [ "$(id -u)" != 0 ]; then
        sudo -n true 2>/dev/null || fail "some packages are missing and this user may not install them; run: sudo apt-get install $missing"
        root=(sudo)
    fi
    say "installing with apt: $missing"
    "${root[@]}" apt-get update -qq >&2 || fail "apt-get update failed; run: sudo apt-get install $missing"
    # shellcheck disable=SC2086  # a list of words
    DEBIAN_FRONTEND=noninteractive "${root[@]}" apt-get install -y -qq --no-install-recommends $missing >"$ARTIFACTS/apt.log" 2>&1 \
        || { tail -n 5 "$ARTIFACTS/apt.log" >&2; fail "apt-get failed (see artifacts/apt.log); run: sudo apt-get install $missing"; }
}

run_logged() { # what it is, log, command...
    local what="$1" log="$2"
    shift 2
    say "$what"
    "$@" >"$log" 2>&1 || { grep -E 'error|Error' "$log" | head -n 20 >&2 || tail -n 20 "$log" >&2; fail "that failed: see $log"; }
}

build_native() {
    local generator=()
    command -v ninja >/dev/null && generator=(-G Ninja)
    cmake -S "$GRAFT_HOME/native" -B "$ARTIFACTS/native/build" -DCMAKE_BUILD_TYPE=Release "${generator[@]}" \
        && cmake --build "$ARTIFACTS/native/build" --parallel
}

build() { # a project or the solution
    dotnet build "$GRAFT_HOME/$1" -c Release -v quiet -nologo
}

# Compiled ahead of its start, which takes a fifth to a third off what needs no tensors. The compiler for that is a package of its own: without it, or
# for a processor that it does not know, the program is compiled as it runs.
publish_ahead() {
    local publish=(dotnet publish "$GRAFT_HOME/$1" -c Release -v quiet -nologo)
    "${publish[@]}" --use-current-runtime --no-self-contained -p:PublishReadyToRun=true || "${publish[@]}"
}

setup() { # what to build: a project or the solution; its name; the function that builds it
    local target="$1" key="$2" how="${3:-build}" stamp
    mkdir -p "$ARTIFACTS"
    command -v dotnet >/dev/null || fail "the .NET 10 SDK is missing: install dotnet-sdk-10.0 (https://dot.net)."

    stamp="${LIBTORCH:-system} $(stamp_of native)"
    if [ "$(cat "$ARTIFACTS/native.stamp" 2>/dev/null)" != "$stamp" ] || [ ! -e "$ARTIFACTS/native/lib/libgraft_torch.so" ]; then
        install_packages
        # A configured tree remembers its libtorch: another one starts afresh.
        [ "$(cut -d' ' -f1 "$ARTIFACTS/native.stamp" 2>/dev/null)" = "${LIBTORCH:-system}" ] || rm -rf "$ARTIFACTS/native"
        mkdir -p "$ARTIFACTS/native"
        run_logged "building native/ (about a minute, once)" "$ARTIFACTS/native.log" build_native
        printf '%s\n' "$stamp" >"$ARTIFACTS/native.stamp"
        rm -f "$ARTIFACTS"/dotnet-*.stamp
    fi

    local sources=(src eng)
    [ "$target" = Graft.slnx ] && sources+=(tests samples benchmarks)
    [ "$key" = benchmarks ] && sources+=(benchmarks)
    stamp="$(stamp_of "${sources[@]}" Directory.Build.props Directory.Packages.props .editorconfig global.json Graft.slnx)"
    if [ "$(cat "$ARTIFACTS/dotnet-$key.stamp" 2>/dev/null)" != "$stamp" ]; then
        run_logged "building the $key (about a minute, once)" "$ARTIFACTS/dotnet-$key.log" "$how" "$target"
        printf '%s\n' "$stamp" >"$ARTIFACTS/dotnet-$key.stamp"
    fi
}
