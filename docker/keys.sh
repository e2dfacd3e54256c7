#!/bin/sh
# Makes the secrets that the services share, once, and two join tokens for the room `demo`, at every start.
# Run it in the folder that holds docker/ and keys/. Only the owner can read the files.
set -eu
umask 077

new_secret() {
    python -c "import secrets; print(secrets.token_hex(32))"
}

[ -s keys/secret ] || new_secret > keys/secret
[ -s keys/turn-secret ] || new_secret > keys/turn-secret
cp docker/turnserver.conf keys/turnserver.conf
echo "static-auth-secret=$(cat keys/turn-secret)" >> keys/turnserver.conf
for person in sender receiver; do
    facewire token demo --minutes 60 --secret-file keys/secret > "keys/$person-token"
done
