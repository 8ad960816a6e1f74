// GramJS and its forks as client programs: their packages have the same
// modules, with more or less in them from release to release.

import { createHash, createPublicKey, randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { bytesOf, callMany, emit, serve, Unsupported } from './lines.mjs'
import { Updates } from './updates.mjs'

/**
 * Serves a library of this family.
 *
 * @param load imports a module of the package, of the release that start
 *   names: load(release, 'tl/index.js').
 */
export function run(load) {
  let lib, client, args, file, updates
  let me = 0
  let ended = false
  const users = new Map() // access hashes by user id

  async function start(a) {
    args = a
    if (args.pfs) throw new Unsupported('no temporary keys')
    mkdirSync(args.dir, { recursive: true })
    file = join(args.dir, 'session')
    lib = await modules((path) => load(args.release, path))
    trustKey()

    const kept = read()
    const session = new lib.StringSession(kept.session)
    // The session holds no port above 32767, and some releases dial port 80
    // whatever it holds: the real address is the connection's affair.
    session.setDC(args.dc, args.host, 443)
    client = new lib.TelegramClient(session, args.api_id, args.api_hash, {
      connection: class extends lib.ConnectionTCPFull {
        constructor(options) {
          super({ ...options, ip: args.host, port: args.port })
        }
      },
      deviceModel: args.device,
      connectionRetries: Infinity,
      baseLogger: new lib.Logger(process.env.CLIENT_LOG ?? 'warn'),
    })
    client.onError = async (err) => console.error('error', err)
    client.addEventHandler(received, new lib.Raw({}))

    updates = new Updates({
      state: () => call(new lib.Api.updates.GetState()),
      difference: async (pts, date) => {
        const diff = await call(new lib.Api.updates.GetDifference({ pts, date, qts: 0 }))
        const state = diff.state ?? diff.intermediateState ?? diff
        return { messages: diff.newMessages ?? [], pts: state.pts, date: state.date, more: diff.className === 'updates.DifferenceSlice' }
      },
      deliver,
    })

    me = kept.me
    await client.connect()
    await call(new lib.Api.help.GetConfig())
    save()
    if (me !== 0) await updates.begin()
    return { cannot: ['resend'] }
  }

  /** Adds the server's key to the table of the built-in ones. */
  function trustKey() {
    const { n, e } = createPublicKey(args.key).export({ format: 'jwk' })
    const number = (s) => lib.readBigInt(Buffer.from(s, 'base64url'), false)
    lib.serverKeys.set(args.fingerprint, { n: number(n), e: Number(number(e)) })
  }

  function read() {
    try {
      return JSON.parse(readFileSync(file, 'utf8'))
    } catch (err) {
      if (err.code === 'ENOENT') return { session: '', me: 0 }
      throw err
    }
  }

  function save() {
    writeFileSync(file, JSON.stringify({ session: client.session.save(), me }), { mode: 0o600 })
  }

  async function call(request) {
    try {
      return await client.invoke(request)
    } catch (err) {
      if (err?.code === 401 && me !== 0 && !ended) {
        ended = true
        emit('logged_out')
      }
      throw err
    }
  }

  function received(update) {
    if (update instanceof lib.UpdateConnectionState) {
      emit(update.state === lib.UpdateConnectionState.connected ? 'connected' : 'disconnected')
      return
    }
    switch (update.className) {
      case 'UpdatesTooLong':
        updates.fetch()
        break
      case 'UpdateShortMessage': // one message that is an update itself
        take({
          pts: update.pts,
          ptsCount: update.ptsCount,
          message: { className: 'Message', out: update.out, peerId: { userId: update.userId }, message: update.message },
        })
        break
      default:
        take(update)
    }
  }

  function take({ pts, ptsCount, message }) {
    if (ptsCount > 0) updates.take(pts, ptsCount, message)
  }

  function deliver(message) {
    if (message.className !== 'Message' || message.out) return
    emit('message', { from: Number((message.fromId ?? message.peerId).userId), text: message.message })
  }

  async function login({ phone, code, name, password }) {
    const { Api } = lib
    const { phoneCodeHash } = await call(new Api.auth.SendCode({
      phoneNumber: phone,
      apiId: args.api_id,
      apiHash: args.api_hash,
      settings: new Api.CodeSettings({}),
    }))
    const proof = { phoneNumber: phone, phoneCodeHash }
    let auth
    try {
      auth = await call(new Api.auth.SignIn({ ...proof, phoneCode: code }))
      if (auth.className === 'auth.AuthorizationSignUpRequired') {
        auth = await call(new Api.auth.SignUp({ ...proof, firstName: name, lastName: '' }))
      }
    } catch (err) {
      if (err.errorMessage !== 'SESSION_PASSWORD_NEEDED') throw err
      const srp = await lib.computeCheck(await call(new Api.account.GetPassword()), password)
      auth = await call(new Api.auth.CheckPassword({ password: srp }))
    }
    me = Number(auth.user.id)
    ended = false
    save()
    await updates.begin()
    return { user: me }
  }

  async function contacts() {
    const { users: list } = await call(new lib.Api.contacts.GetContacts({ hash: long('0') }))
    for (const u of list) users.set(Number(u.id), u)
    return { users: list.map((u) => ({ id: Number(u.id), name: u.firstName })) }
  }

  async function peer(id) {
    if (id === me) return new lib.Api.InputPeerSelf()
    if (!users.has(id)) await contacts()
    if (!users.has(id)) throw new Error(`user ${id} is no contact`)
    const { id: userId, accessHash } = users.get(id)
    return new lib.Api.InputPeerUser({ userId, accessHash })
  }

  /** An integer of 64 bits as the library has it, from decimal digits. */
  function long(digits) {
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64LE(BigInt.asIntN(64, BigInt(digits)))
    return lib.readBigInt(bytes, true, true)
  }

  const randomId = () => long(randomBytes(8).readBigInt64LE().toString())

  /** Takes what a call that sends a message answers. */
  function sent(answer) {
    if (answer.className === 'UpdateShortSentMessage') take(answer)
    else answer.updates.forEach(take)
  }

  async function send({ to, text }) {
    const answer = await call(new lib.Api.messages.SendMessage({ peer: await peer(to), message: text, randomId: randomId() }))
    sent(answer)
    return { message: answer.id ?? answer.updates.find((u) => u.className === 'UpdateMessageID').id }
  }

  async function upload({ bytes, seed }) {
    const { Api } = lib
    const content = Buffer.from(bytesOf(bytes, seed))
    const started = performance.now()
    const uploaded = await client.uploadFile({ file: new lib.CustomFile('file.bin', bytes, '', content), workers: 4 })
    const answer = await call(new Api.messages.SendMedia({
      peer: new Api.InputPeerSelf(),
      media: new Api.InputMediaUploadedDocument({
        file: uploaded,
        mimeType: 'application/octet-stream',
        attributes: [new Api.DocumentAttributeFilename({ fileName: 'file.bin' })],
        forceFile: true,
      }),
      message: '',
      randomId: randomId(),
    }))
    const ms = Math.round(performance.now() - started)
    sent(answer)
    const { document } = answer.updates.find((u) => u.className === 'UpdateNewMessage').message.media
    const handle = {
      id: document.id.toString(),
      hash: document.accessHash.toString(),
      reference: document.fileReference.toString('hex'),
      dc: document.dcId,
      bytes,
    }
    return { file: JSON.stringify(handle), sha256: sha256(content), ms }
  }

  async function download({ file: handle }) {
    const { id, hash, reference, dc, bytes } = JSON.parse(handle)
    const location = new lib.Api.InputDocumentFileLocation({
      id: long(id),
      accessHash: long(hash),
      fileReference: Buffer.from(reference, 'hex'),
      thumbSize: '',
    })
    const started = performance.now()
    const content = await client.downloadFile(location, { dcId: dc, fileSize: long(String(bytes)), partSizeKb: 512 })
    return { sha256: sha256(content), ms: Math.round(performance.now() - started) }
  }

  const sha256 = (content) => createHash('sha256').update(content).digest('hex')

  const methods = {
    'help.getConfig': () => new lib.Api.help.GetConfig(),
    'help.getCdnConfig': () => new lib.Api.help.GetCdnConfig(),
    'users.getUsers': () => new lib.Api.users.GetUsers({ id: [new lib.Api.InputUserSelf()] }),
  }

  serve({
    start,
    login,
    contacts,
    send,
    upload,
    download,
    me: async () => {
      const [user] = await call(methods['users.getUsers']())
      return { user: Number(user.id) }
    },
    dialogs: async () => {
      const { dialogs } = await call(new lib.Api.messages.GetDialogs({
        offsetDate: 0, offsetId: 0, offsetPeer: new lib.Api.InputPeerEmpty(), limit: 100, hash: long('0'),
      }))
      return { count: dialogs.length }
    },
    history: async ({ with: id, limit }) => {
      const { messages } = await call(new lib.Api.messages.GetHistory({
        peer: await peer(id), offsetId: 0, offsetDate: 0, addOffset: 0, limit, maxId: 0, minId: 0, hash: long('0'),
      }))
      return { texts: messages.map((m) => m.message) }
    },
    calls: ({ n, method }) => callMany(n, () => call(methods[method]()), rpcError),
    sessions: async () => {
      const { authorizations } = await call(new lib.Api.account.GetAuthorizations())
      return {
        sessions: authorizations.map((a) => ({ hash: a.hash.toString(), current: a.current ?? false, device: a.deviceModel })),
      }
    },
    end: async ({ hash }) => {
      await call(new lib.Api.account.ResetAuthorization({ hash: long(hash) }))
    },
    logout: async () => {
      me = 0
      await call(new lib.Api.auth.LogOut())
      save()
    },
    stop: () => client?.destroy(),
  }, rpcError)
}

/** What the program uses of the package's modules. */
async function modules(load) {
  const of = async (path) => {
    const module = await load(path)
    return module.default ?? module
  }
  // One after another, for they need each other in a circle that holds only
  // when the first is entered first.
  const main = await of('index.js')
  const sessions = await of('sessions/index.js')
  const network = await of('network/index.js')
  const connection = await of('network/connection/index.js')
  const events = await of('events/index.js')
  const rsa = await of('crypto/RSA.js')
  const helpers = await of('Helpers.js')
  const password = await of('Password.js')
  const uploads = await of('client/uploads.js')
  const logger = await of('extensions/Logger.js')
  return {
    Api: main.Api,
    TelegramClient: main.TelegramClient,
    StringSession: sessions.StringSession,
    ConnectionTCPFull: connection.ConnectionTCPFull,
    UpdateConnectionState: network.UpdateConnectionState,
    Raw: events.Raw,
    serverKeys: rsa._serverKeys,
    readBigInt: helpers.readBigIntFromBuffer,
    computeCheck: password.computeCheck,
    CustomFile: uploads.CustomFile,
    Logger: logger.Logger,
  }
}

function rpcError(err) {
  return typeof err?.code === 'number' && typeof err.errorMessage === 'string'
    ? { code: err.code, message: err.errorMessage }
    : undefined
}
