// mtcute as a client program: releases 0.27 (layer 221) and 0.30, with PFS or
// without. Release 0.30 is written for layer 227, which no table set has yet;
// its own options put it on layer 223.

import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'

import { bytesOf, callMany, emit, serve } from '../js/lines.mjs'
import { trustKey } from './key.mjs'

const releases = {
  '0.27': async () => ({
    core: await import('mtcute-0.27'),
    utils: await import('mtcute-0.27/utils.js'),
    options: {},
  }),
  '0.30': async () => {
    const { __tlReaderMap: readerMap } = (await import('tl-223/binary/reader.js')).default
    const { __tlWriterMap: writerMap } = (await import('tl-223/binary/writer.js')).default
    return {
      core: await import('mtcute-0.30'),
      utils: await import('mtcute-0.30/utils.js'),
      options: { overrideLayer: 223, readerMap, writerMap },
    }
  },
}

let core, utils, tg, args, file
let me = 0
let ended = false
const users = new Map() // input peers by user id

async function start(a) {
  args = a
  mkdirSync(args.dir, { recursive: true })
  file = join(args.dir, 'session')
  let options
  ;({ core, utils, options } = await releases[args.release]())
  await trustKey(utils, args.release, args.key)

  const main = { id: args.dc, ipAddress: args.host, port: args.port }
  const dcs = { main, media: main }
  tg = new core.TelegramClient({
    apiId: args.api_id,
    apiHash: args.api_hash,
    storage: new core.MemoryStorage(),
    defaultDcs: dcs,
    initConnectionOptions: { deviceModel: args.device },
    network: { usePfs: args.pfs, middlewares: [...core.networkMiddlewares.basic(), watch] },
    logLevel: Number(process.env.CLIENT_LOG ?? 2), // warnings
    ...options,
  })
  tg.onConnectionState.add((state) => emit(state === 'connected' ? 'connected' : 'disconnected'))
  tg.onRawUpdate.add(({ update }) => received(update))
  tg.onError.add((err) => console.error('error', err))

  const kept = load()
  if (kept) await tg.importSession({ ...utils.readStringSession(kept), primaryDcs: dcs }, true)
  await tg.connect()
  await call('help.getConfig')
  await save()
  const self = await tg.storage.self.fetch()
  if (self) {
    me = self.userId
    await tg.startUpdatesLoop()
  }
}

function load() {
  try {
    return readFileSync(file, 'utf8')
  } catch (err) {
    if (err.code === 'ENOENT') return ''
    throw err
  }
}

/** Keeps the permanent key; temporary ones are made anew by each process. */
async function save() {
  writeFileSync(file, await tg.exportSession(), { mode: 0o600 })
}

/** Sees the answers to all calls, those that the library makes itself too. */
async function watch(ctx, next) {
  const answer = await next(ctx)
  if (answer?._ === 'mt_rpc_error' && answer.errorCode === 401 && me !== 0 && !ended) {
    ended = true
    emit('logged_out')
  }
  return answer
}

function received(update) {
  if (update._ !== 'updateNewMessage') return
  const { message } = update
  if (message._ !== 'message' || message.out) return
  emit('message', { from: (message.fromId ?? message.peerId).userId, text: message.message })
}

const call = (method, fields = {}, params) => tg.call({ _: method, ...fields }, params)

async function login({ phone, code, name, password }) {
  const sent = await call('auth.sendCode', {
    phoneNumber: phone,
    apiId: args.api_id,
    apiHash: args.api_hash,
    settings: { _: 'codeSettings' },
  })
  const proof = { phoneNumber: phone, phoneCodeHash: sent.phoneCodeHash }
  let auth
  try {
    auth = await call('auth.signIn', { ...proof, phoneCode: code })
    if (auth._ === 'auth.authorizationSignUpRequired') {
      auth = await call('auth.signUp', { ...proof, firstName: name, lastName: '' })
    }
  } catch (err) {
    if (err.text !== 'SESSION_PASSWORD_NEEDED') throw err
    const srp = await tg.computeSrpParams(await call('account.getPassword'), password)
    auth = await call('auth.checkPassword', { password: srp })
  }
  const user = await tg.notifyLoggedIn(auth)
  me = user.id
  ended = false
  await save()
  await following()
  return { user: me }
}

/**
 * Returns when the library follows updates, as it begins to when it hears of the
 * login. Asked to while it begins, it would do so twice, and hand over twice what
 * it fetches.
 */
async function following() {
  while (!tg._client.updates.updatesLoopActive) await setTimeout(5)
}

async function contacts() {
  const { users: list } = await call('contacts.getContacts', { hash: core.Long.ZERO })
  for (const u of list) users.set(u.id, { _: 'inputPeerUser', userId: u.id, accessHash: u.accessHash })
  return { users: list.map((u) => ({ id: u.id, name: u.firstName })) }
}

async function peer(id) {
  if (id === me) return { _: 'inputPeerSelf' }
  if (!users.has(id)) await contacts()
  if (!users.has(id)) throw new Error(`user ${id} is no contact`)
  return users.get(id)
}

/** The id that the server gave a message which was sent. */
function sentId(updates) {
  tg.handleClientUpdate(updates)
  if (updates._ === 'updateShortSentMessage') return updates.id
  return updates.updates.find((u) => u._ === 'updateMessageID').id
}

async function upload({ bytes, seed }) {
  const content = bytesOf(bytes, seed)
  const started = performance.now()
  const uploaded = await tg.uploadFile({ file: content, fileName: 'file.bin', fileMime: 'application/octet-stream' })
  const updates = await call('messages.sendMedia', {
    peer: { _: 'inputPeerSelf' },
    media: {
      _: 'inputMediaUploadedDocument',
      file: uploaded.inputFile,
      mimeType: uploaded.mime,
      attributes: [{ _: 'documentAttributeFilename', fileName: 'file.bin' }],
      forceFile: true,
    },
    message: '',
    randomId: utils.randomLong(),
  })
  const ms = Math.round(performance.now() - started)
  const sent = updates.updates.find((u) => u._ === 'updateNewMessage')
  sentId(updates)
  const { id, accessHash, fileReference, dcId } = sent.message.media.document
  const handle = {
    id: id.toString(),
    hash: accessHash.toString(),
    reference: Buffer.from(fileReference).toString('hex'),
    dc: dcId,
    bytes,
  }
  return { file: JSON.stringify(handle), sha256: sha256(content), ms }
}

async function download({ file: handle }) {
  const { id, hash, reference, dc, bytes } = JSON.parse(handle)
  const location = new core.FileLocation({
    _: 'inputDocumentFileLocation',
    id: core.Long.fromString(id),
    accessHash: core.Long.fromString(hash),
    fileReference: Buffer.from(reference, 'hex'),
    thumbSize: '',
  }, bytes, dc)
  const started = performance.now()
  const content = await tg.downloadAsBuffer(location)
  return { sha256: sha256(content), ms: Math.round(performance.now() - started) }
}

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex')

function rpcError(err) {
  // RpcError of this release; its text is FLOOD_WAIT_%d where it holds a number.
  if (typeof err?.code !== 'number' || typeof err.text !== 'string') return undefined
  return { code: err.code, message: err.text.replace('%d', err.seconds ?? err.newDc ?? '%d') }
}

serve({
  start,
  login,
  contacts,
  upload,
  download,
  me: async () => {
    const [user] = await call('users.getUsers', { id: [{ _: 'inputUserSelf' }] })
    return { user: user.id }
  },
  dialogs: async () => {
    const { dialogs } = await call('messages.getDialogs', {
      offsetDate: 0, offsetId: 0, offsetPeer: { _: 'inputPeerEmpty' }, limit: 100, hash: core.Long.ZERO,
    })
    return { count: dialogs.length }
  },
  send: async ({ to, text }) => ({
    message: sentId(await call('messages.sendMessage', { peer: await peer(to), message: text, randomId: utils.randomLong() })),
  }),
  history: async ({ with: id, limit }) => {
    const { messages } = await call('messages.getHistory', {
      peer: await peer(id), offsetId: 0, offsetDate: 0, addOffset: 0, limit, maxId: 0, minId: 0, hash: core.Long.ZERO,
    })
    return { texts: messages.map((m) => m.message) }
  },
  calls: ({ n, method }) => callMany(n, () => call(method, method === 'users.getUsers' ? { id: [{ _: 'inputUserSelf' }] } : {}), rpcError),
  sessions: async () => {
    const { authorizations } = await call('account.getAuthorizations')
    return {
      sessions: authorizations.map((a) => ({ hash: a.hash.toString(), current: a.current ?? false, device: a.deviceModel })),
    }
  },
  end: async ({ hash }) => {
    await call('account.resetAuthorization', { hash: core.Long.fromString(hash) })
  },
  logout: async () => {
    me = 0
    await call('auth.logOut')
    await tg.notifyLoggedOut()
    await save()
  },
  stop: () => tg?.destroy(),
}, rpcError)
