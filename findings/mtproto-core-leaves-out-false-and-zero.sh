#!/bin/bash
# @mtproto/core does not send optional fields that are false, 0, '' or empty.
#
# A field of type flags.N?T is there when bit N of the flags is set, and then any
# value of T may follow: absent and false are two things. This library sets the
# bit by whether JavaScript takes the value for true, so that silent: false,
# mute_until: 0, about: '' and entities: [] go out as if nobody had given them.
# GramJS sends them.
#
# So its users cannot unmute a chat or empty their description: a server sees
# calls that name nothing to change.
#
# Versions: @mtproto/core 6.3.0, telegram (GramJS) 2.26.22.
# Seen, as the fields whose bits are set:
#   inputPeerNotifySettings, silent: false, mute_until: 0: @mtproto/core none, GramJS silent, mute_until
#   inputPeerNotifySettings, silent: true, mute_until: 1: @mtproto/core silent, mute_until, GramJS silent, mute_until
#   account.updateProfile, about: '': @mtproto/core none, GramJS about
#   messages.editMessage, message: 'x', entities: []: @mtproto/core message, GramJS message, entities
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm install --silent --no-audit --no-fund --ignore-scripts --prefix . @mtproto/core@6.3.0 telegram@2.26.22

cat > run.cjs <<'JS'
const Serializer = require('@mtproto/core/src/tl/serializer')
const builderMap = require('@mtproto/core/src/tl/builder')
const { Api } = require('telegram')

// The flags are the four bytes behind the constructor in all of these.
const flagsOf = (bytes) => Buffer.from(bytes).readUInt32LE(4)
const fields = (flags, bits) => Object.keys(bits).filter((name) => flags & (1 << bits[name])).join(', ') || 'none'

const settings = { silent: 1, mute_until: 2 }
const cases = [
  { name: 'inputPeerNotifySettings, silent: false, mute_until: 0', bits: settings, all: 'silent, mute_until',
    core: ['inputPeerNotifySettings', { silent: false, mute_until: 0 }], gramjs: new Api.InputPeerNotifySettings({ silent: false, muteUntil: 0 }) },
  { name: 'inputPeerNotifySettings, silent: true, mute_until: 1', bits: settings, left: 'silent, mute_until', all: 'silent, mute_until',
    core: ['inputPeerNotifySettings', { silent: true, mute_until: 1 }], gramjs: new Api.InputPeerNotifySettings({ silent: true, muteUntil: 1 }) },
  { name: "account.updateProfile, about: ''", bits: { about: 2 }, all: 'about',
    core: ['account.updateProfile', { about: '' }], gramjs: new Api.account.UpdateProfile({ about: '' }) },
  { name: "messages.editMessage, message: 'x', entities: []", bits: { message: 11, entities: 3 }, left: 'message', all: 'message, entities',
    core: ['messages.editMessage', { peer: { _: 'inputPeerSelf' }, id: 5, message: 'x', entities: [] }],
    gramjs: new Api.messages.EditMessage({ peer: new Api.InputPeerSelf(), id: 5, message: 'x', entities: [] }) },
]
let asSeen = true
for (const { name, bits, left = 'none', all, core: [constructor, params], gramjs } of cases) {
  const core = fields(flagsOf(new Serializer(builderMap[constructor], params).getBytes()), bits)
  const other = fields(flagsOf(gramjs.getBytes()), bits)
  console.log(`${name}: @mtproto/core ${core}, GramJS ${other}`)
  asSeen &&= core === left && other === all
}
process.exit(asSeen ? 0 : 1)
JS
node run.cjs
