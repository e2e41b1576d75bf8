# Shared by the scripts of this folder: finds or installs what a build and a run need. Sourced, not run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if ! command -v cargo >/dev/null; then
  echo "copl needs Rust 1.95 or newer: install it with rustup (https://rustup.rs), then run this again." >&2
  exit 11
fi

if ! command -v ffmpeg >/dev/null; then
  as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo)
  if command -v apt-get >/dev/null; then
    echo "installing ffmpeg" >&2
    "${as_root[@]}" apt-get update -qq >/dev/null
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends ffmpeg >/dev/null
  elif command -v dnf >/dev/null; then
    "${as_root[@]}" dnf install -y -q ffmpeg-free
  elif command -v brew >/dev/null; then
    brew install --quiet ffmpeg
  else
    echo "copl needs ffmpeg 5 or newer with libx264: install it with your system's package manager, then run this again." >&2
    exit 11
  fi
fi

# A build folder outside the clone serves every clone: dependencies are compiled once.
shared_target="${XDG_CACHE_HOME:-$HOME/.cache}/copl/target"
if [ -z "${CARGO_TARGET_DIR:-}" ] && { [ -d "$shared_target" ] || [ -n "${CI:-}" ]; }; then
  mkdir -p "$shared_target"
  export CARGO_TARGET_DIR="$shared_target"
fi
target="${CARGO_TARGET_DIR:-target}"

# Tests hold the path of their clone, and cargo takes those built in another clone, which may be gone, for this one's.
if [ -n "${CARGO_TARGET_DIR:-}" ] && [ "$(cat "$target/clone" 2>/dev/null)" != "$PWD" ]; then
  mkdir -p "$target"
  find datasets nodes reports src testing tests -name '*.rs' -exec touch {} +
  echo "$PWD" >"$target/clone"
fi
