// @mtproto/core 6.3.0 (layer 158) as a client program. The library makes keys,
// connects and calls; what an application owes beside that (the order of
// updates, parts of files) is here.

import { createHash, createPublicKey, randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import MTProto from '@mtproto/core'

import { bytesOf, callMany, emit, serve, Unsupported } from '../js/lines.mjs'
import { Updates } from '../js/updates.mjs'

const PART = 512 * 1024
const BIG = 10 * 1024 * 1024 // from here on parts are of a "big" file
const AT_ONCE = 4 // parts

let mtproto, rpc, args, file, updates
let me = 0
let ended = false
const users = new Map() // access hashes by user id

async function start(a) {
  args = a
  if (args.pfs) throw new Unsupported('no temporary keys')
  mkdirSync(args.dir, { recursive: true })
  file = join(args.dir, 'user')
  mtproto = new MTProto({
    api_id: args.api_id,
    api_hash: args.api_hash,
    storageOptions: { path: join(args.dir, 'session.json') },
  })
  mtproto.dcList = [{ id: args.dc, ip: args.host, port: args.port }]
  await mtproto.setDefaultDc(args.dc)
  mtproto.updateInitConnectionParams({ device_model: args.device, app_version: '6.3.0' })
  trustKey()

  updates = new Updates({
    state: () => call('updates.getState'),
    difference: async (pts, date) => {
      const diff = await call('updates.getDifference', { pts, date, qts: 0 })
      const state = diff.state ?? diff.intermediate_state ?? diff
      return { messages: diff.new_messages ?? [], pts: state.pts, date: state.date, more: diff._ === 'updates.differenceSlice' }
    },
    deliver,
  })
  for (const kind of ['updates', 'updatesCombined', 'updateShort', 'updateShortMessage', 'updatesTooLong']) {
    mtproto.updates.on(kind, received)
  }

  rpc = mtproto.getRPC(args.dc)
  rpc.transport.on('open', () => {
    emit('connected')
    rpc.transport.socket.once('close', () => emit('disconnected'))
  })
  process.on('unhandledRejection', exchangeAgain)
  await call('help.getConfig')
  me = load()
  if (me !== 0) await updates.begin()
  return { cannot: ['resend', 'clock', 'ping'] }
}

/** Puts the server's key in the place of the built-in ones. */
function trustKey() {
  const { n, e } = createPublicKey(args.key).export({ format: 'jwk' })
  const hex = (s) => Buffer.from(s, 'base64url').toString('hex')
  mtproto.crypto.rsa.getRsaKeyByFingerprints = async (fingerprints) => {
    const own = BigInt.asUintN(64, BigInt(args.fingerprint)).toString()
    const fingerprint = fingerprints.find((f) => f === own)
    if (!fingerprint) throw new Error(`the server has other keys: ${fingerprints}`)
    return { fingerprint, modulus: hex(n), exponent: hex(e) }
  }
}

/**
 * Begins a key exchange again that ended with a key of 255 bytes: the library
 * writes numbers without leading zeros, so one exchange in 256 does, and the
 * error reaches nobody.
 */
async function exchangeAgain(err) {
  if (err?.message !== 'Invalid hash in mt_dh_gen_ok') return
  await rpc.setStorageItem('authKey', null)
  rpc.transport.socket.destroy() // it dials again
}

/** Whose login the key in the session file is: the library does not say. */
function load() {
  try {
    return Number(readFileSync(file, 'utf8'))
  } catch (err) {
    if (err.code === 'ENOENT') return 0
    throw err
  }
}

function save() {
  writeFileSync(file, String(me))
}

async function call(method, params = {}) {
  try {
    return await mtproto.call(method, params, { syncAuth: false })
  } catch (err) {
    if (err?.error_code === 401 && me !== 0 && !ended) {
      ended = true
      emit('logged_out')
    }
    throw err
  }
}

function received(u) {
  switch (u._) {
    case 'updates':
    case 'updatesCombined':
      u.updates.forEach(take)
      break
    case 'updateShort':
      take(u.update)
      break
    case 'updateShortMessage': // one message that is an update itself
      take({ ...u, message: { ...u, _: 'message', peer_id: { user_id: u.user_id } } })
      break
    case 'updateShortSentMessage':
      take(u)
      break
    case 'updatesTooLong':
      updates.fetch()
  }
}

function take({ pts, pts_count, message }) {
  if (pts_count > 0) updates.take(pts, pts_count, message)
}

function deliver(message) {
  if (message._ !== 'message' || message.out) return
  emit('message', { from: Number((message.from_id ?? message.peer_id).user_id), text: message.message })
}

async function login({ phone, code, name, password }) {
  const { phone_code_hash } = await call('auth.sendCode', {
    phone_number: phone,
    settings: { _: 'codeSettings' },
  })
  const proof = { phone_number: phone, phone_code_hash }
  let auth
  try {
    auth = await call('auth.signIn', { ...proof, phone_code: code })
    if (auth._ === 'auth.authorizationSignUpRequired') {
      auth = await call('auth.signUp', { ...proof, first_name: name, last_name: '' })
    }
  } catch (err) {
    if (err?.error_message !== 'SESSION_PASSWORD_NEEDED') throw err
    auth = await checkPassword(password)
  }
  me = Number(auth.user.id)
  ended = false
  save()
  await updates.begin()
  return { user: me }
}

/**
 * Proves the password. One proof in 128 is wrong for the same want of leading
 * zeros, so a refusal counts when it comes three times.
 */
async function checkPassword(password, tries = 3) {
  const { srp_id, current_algo, srp_B } = await call('account.getPassword')
  const { g, p, salt1, salt2 } = current_algo
  const { A, M1 } = await mtproto.crypto.getSRPParams({ g, p, salt1, salt2, gB: srp_B, password })
  try {
    return await call('auth.checkPassword', { password: { _: 'inputCheckPasswordSRP', srp_id, A, M1 } })
  } catch (err) {
    if (err?.error_message !== 'PASSWORD_HASH_INVALID' || tries === 1) throw err
    return checkPassword(password, tries - 1)
  }
}

async function contacts() {
  const { users: list } = await call('contacts.getContacts', { hash: '0' })
  for (const u of list) users.set(Number(u.id), u.access_hash)
  return { users: list.map((u) => ({ id: Number(u.id), name: u.first_name })) }
}

async function peer(id) {
  if (id === me) return { _: 'inputPeerSelf' }
  if (!users.has(id)) await contacts()
  if (!users.has(id)) throw new Error(`user ${id} is no contact`)
  return { _: 'inputPeerUser', user_id: id, access_hash: users.get(id) }
}

const randomId = () => randomBytes(8).readBigUInt64LE().toString()

async function send({ to, text }) {
  const sent = await call('messages.sendMessage', { peer: await peer(to), message: text, random_id: randomId() })
  received(sent)
  return { message: sent._ === 'updateShortSentMessage' ? sent.id : sent.updates.find((u) => u._ === 'updateMessageID').id }
}

/** Does the work for 0 to n-1, several at once, and returns the results. */
async function each(n, work) {
  const results = []
  let next = 0
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (let i = next++; i < n; i = next++) results[i] = await work(i)
  }))
  return results
}

async function upload({ bytes, seed }) {
  const content = bytesOf(bytes, seed)
  const parts = Math.ceil(bytes / PART)
  const big = bytes > BIG
  const id = randomId()
  const started = performance.now()
  await each(parts, (i) => call(big ? 'upload.saveBigFilePart' : 'upload.saveFilePart', {
    file_id: id,
    file_part: i,
    file_total_parts: parts,
    bytes: content.subarray(i * PART, (i + 1) * PART),
  }))
  const sent = await call('messages.sendMedia', {
    peer: { _: 'inputPeerSelf' },
    media: {
      _: 'inputMediaUploadedDocument',
      file: { _: big ? 'inputFileBig' : 'inputFile', id, parts, name: 'file.bin', md5_checksum: '' },
      mime_type: 'application/octet-stream',
      attributes: [{ _: 'documentAttributeFilename', file_name: 'file.bin' }],
      force_file: true,
    },
    message: '',
    random_id: randomId(),
  })
  const ms = Math.round(performance.now() - started)
  received(sent)
  const { document } = sent.updates.find((u) => u._ === 'updateNewMessage').message.media
  const handle = {
    id: document.id,
    hash: document.access_hash,
    reference: Buffer.from(document.file_reference).toString('hex'),
    bytes,
  }
  return { file: JSON.stringify(handle), sha256: createHash('sha256').update(content).digest('hex'), ms }
}

async function download({ file: handle }) {
  const { id, hash, reference, bytes } = JSON.parse(handle)
  const location = {
    _: 'inputDocumentFileLocation',
    id,
    access_hash: hash,
    file_reference: Buffer.from(reference, 'hex'),
    thumb_size: '',
  }
  const started = performance.now()
  const parts = await each(Math.ceil(bytes / PART), (i) => call('upload.getFile', { location, offset: String(i * PART), limit: PART }))
  const ms = Math.round(performance.now() - started)
  const sum = createHash('sha256')
  for (const p of parts) sum.update(p.bytes)
  return { sha256: sum.digest('hex'), ms }
}

function rpcError(err) {
  return err?._ === 'mt_rpc_error' ? { code: err.error_code, message: err.error_message } : undefined
}

serve({
  start,
  login,
  contacts,
  send,
  upload,
  download,
  me: async () => {
    const [user] = await call('users.getUsers', { id: [{ _: 'inputUserSelf' }] })
    return { user: Number(user.id) }
  },
  dialogs: async () => {
    const { dialogs } = await call('messages.getDialogs', {
      offset_date: 0, offset_id: 0, offset_peer: { _: 'inputPeerEmpty' }, limit: 100, hash: '0',
    })
    return { count: dialogs.length }
  },
  history: async ({ with: id, limit }) => {
    const { messages } = await call('messages.getHistory', {
      peer: await peer(id), offset_id: 0, offset_date: 0, add_offset: 0, limit, max_id: 0, min_id: 0, hash: '0',
    })
    return { texts: messages.map((m) => m.message) }
  },
  calls: ({ n, method }) => callMany(n, () => call(method, method === 'users.getUsers' ? { id: [{ _: 'inputUserSelf' }] } : {}), rpcError),
  sessions: async () => {
    const { authorizations } = await call('account.getAuthorizations')
    // Hashes are signed, which the library does not know.
    return {
      sessions: authorizations.map((a) => ({
        hash: BigInt.asIntN(64, BigInt(a.hash)).toString(), current: a.current ?? false, device: a.device_model,
      })),
    }
  },
  end: async ({ hash }) => {
    await call('account.resetAuthorization', { hash: BigInt.asUintN(64, BigInt(hash)).toString() })
  },
  logout: async () => {
    me = 0
    await call('auth.logOut')
    save()
  },
  stop: () => {
    if (!rpc) return
    rpc.transport.connect = () => {} // it would dial again
    rpc.transport.socket.destroy()
  },
}, rpcError)
