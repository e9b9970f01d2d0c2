#!/bin/bash
# What `make ci` runs: unit tests, fuzz corpora and the service under sanitizers, and three analysers. Each
# phase closes with `N passed, N failed, N skipped`; the last line adds them up. A phase that ends
# without such a line has failed once.
#
# Usage: ci.sh [PHASE...]     (asan tsan gcc clang-tidy cppcheck; all without arguments)
set -u
cd "$(dirname "$0")/../.." || exit 1
python=/usr/bin/python3
total_passed=0 total_failed=0 total_skipped=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

set_up() { # BUILD_DIR COMPILER MESON_OPTION...
    local build=$1 compiler=$2
    shift 2
    [ -f "$build/build.ninja" ] || CC=$compiler meson setup "$build" "$@" || return
    ninja -C "$build" build.ninja # the compile commands of today's sources
}

# detect_leaks and the rest are defaults or stricter; allocator_may_return_null lets malloc refuse a
# size as it does outside, for the tests that ask for too much.
asan() {
    set_up build-asan clang --buildtype=debugoptimized -Db_sanitize=address,undefined \
        -Db_lundef=false -Dc_args=-fno-sanitize-recover=all || return
    ASAN_OPTIONS=allocator_may_return_null=1:detect_stack_use_after_return=1:strict_string_checks=1 \
    UBSAN_OPTIONS=print_stacktrace=1 \
        $python tests/support/run_suites.py build-asan --suite unit --suite fuzz --suite fetch \
            --suite http --suite serve --timeout-multiplier 4
}

# clang 14 maps its shadow where the kernel now likes to put programs: without address randomisation
# they do not meet.
tsan() {
    set_up build-tsan clang --buildtype=debugoptimized -Db_sanitize=thread -Db_lundef=false || return
    local fixed=
    setarch -R true 2>/dev/null && fixed='setarch -R'
    TSAN_OPTIONS=halt_on_error=1:allocator_may_return_null=1 \
        $fixed $python tests/support/run_suites.py build-tsan --suite unit --suite fetch \
            --suite http --suite serve --timeout-multiplier 4
}

gcc() {
    set_up build-gcc gcc && $python tests/support/analyse.py gcc build-gcc
}

# The compile commands are all that clang-tidy and cppcheck need of a build.
clang-tidy() {
    set_up build-clang clang && $python tests/support/analyse.py clang-tidy build-clang
}

cppcheck() {
    set_up build-clang clang && $python tests/support/analyse.py cppcheck build-clang
}

run_phase() {
    local name=$1 begin=$SECONDS closing
    echo "== $name"
    "$name" 2>&1 | tee "$log"
    closing=$(tail -n 1 "$log")
    if [[ $closing =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped$ ]]; then
        total_passed=$((total_passed + BASH_REMATCH[1]))
        total_failed=$((total_failed + BASH_REMATCH[2]))
        total_skipped=$((total_skipped + BASH_REMATCH[3]))
    else
        total_failed=$((total_failed + 1))
    fi
    echo "== $name: $((SECONDS - begin)) s"
}

for phase in "${@:-asan tsan gcc clang-tidy cppcheck}"; do
    for name in $phase; do
        run_phase "$name"
    done
done
echo
echo "$total_passed passed, $total_failed failed, $total_skipped skipped"
[ "$total_failed" -eq 0 ] && [ "$total_passed" -gt 0 ]
