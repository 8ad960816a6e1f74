// TDLib as a client program of the lab: JSON lines on standard input and output
// (the protocol is described in the package clients), TDLib's log on standard
// error.
//
// TDLIB_LIBRARY names the libtdjson.so to load: a copy whose built-in key and
// addresses lead to the lab (package patch). TDLIB_VERBOSITY (1) is how much it
// logs.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import tdl from 'tdl'

const idShift = 2 ** 20 // TDLib's id of a message is the server's times this
const loginTimeout = 120_000 // ms
const stateDelay = 400 // ms; TDLib shows no shorter states

// over are the states from which no call gets out any more.
const over = ['authorizationStateLoggingOut', 'authorizationStateClosing', 'authorizationStateClosed']

const write = object => process.stdout.write(JSON.stringify(object) + '\n')
const event = (name, fields) => write({ event: name, ...fields })
const unsupported = why => Object.assign(new Error(`unsupported: ${why}`), { code: 0 })

let settings // of start
let client, account

// A program with a way out of this machine could reach Telegram itself.
function refuseNetwork () {
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    if (addresses.some(a => !a.internal)) throw new Error(`interface ${name} leads out: run this in a network namespace`)
  }
}

// Account follows the states of one TDLib client. A client that has logged out
// is over; the next login makes another.
class Account {
  auth = ''
  connection = ''
  ending = false // by our own hand
  sends = new Map() // temporary message id → how the sending ended
  files = new Map() // id → file, as last told
  waiting = new Set()

  constructor () {
    this.client = tdl.createBareClient()
    this.client.on('error', err => event('log', { line: String(err) }))
    this.client.on('update', u => this.update(u))
    this.client.on('close', () => this.set({ auth: 'authorizationStateClosed' }))
  }

  set (state) {
    Object.assign(this, state)
    for (const w of [...this.waiting]) w()
  }

  // until waits for a test of this object's state to be true.
  until (test, what, timeout = loginTimeout) {
    return new Promise((resolve, reject) => {
      const look = () => {
        const value = test()
        if (!value) return
        this.waiting.delete(look)
        clearTimeout(timer)
        resolve(value)
      }
      const timer = setTimeout(() => {
        this.waiting.delete(look)
        reject(new Error(`no ${what} after ${timeout / 1000} s; authorization is ${this.auth}, connection ${this.connection}`))
      }, timeout)
      this.waiting.add(look)
      look()
    })
  }

  update (u) {
    switch (u._) {
      case 'updateAuthorizationState': {
        const auth = u.authorization_state._
        if (auth === 'authorizationStateLoggingOut' && !this.ending) event('logged_out', {})
        this.set({ auth, connection: auth === 'authorizationStateLoggingOut' ? '' : this.connection })
        return
      }
      case 'updateConnectionState': {
        const before = this.connection
        const state = u.state._
        this.set({ connection: state })
        if (over.includes(this.auth)) return // it still says how its last connection fares
        const up = s => s === 'connectionStateReady' || s === 'connectionStateUpdating'
        if (up(state) && !up(before)) event('connected', {})
        if (!up(state) && up(before)) event('disconnected', {})
        return
      }
      case 'updateNewMessage': {
        const m = u.message
        if (!m.is_outgoing && m.sender_id._ === 'messageSenderUser' && m.content._ === 'messageText') {
          event('message', { from: m.sender_id.user_id, text: m.content.text.text })
        }
        return
      }
      case 'updateMessageSendSucceeded':
      case 'updateMessageSendFailed':
        this.sends.set(u.old_message_id, u)
        this.set({})
        return
      case 'updateFile':
        this.files.set(u.file.id, u.file)
        this.set({})
    }
  }

  // open gives TDLib its parameters and waits until it is connected.
  async open () {
    // The first request brings the client to life. TDLib answers it once it has
    // its parameters.
    const pfs = this.client.invoke({ _: 'setOption', name: 'use_pfs', value: { _: 'optionValueBoolean', value: Boolean(settings.pfs) } })
    await this.until(() => this.auth === 'authorizationStateWaitTdlibParameters', 'first state')
    await this.client.invoke({
      _: 'setTdlibParameters',
      database_directory: path.join(settings.dir, 'db'),
      files_directory: path.join(settings.dir, 'files'),
      use_message_database: true,
      use_chat_info_database: true,
      use_file_database: true,
      api_id: settings.api_id,
      api_hash: settings.api_hash,
      system_language_code: 'en',
      device_model: settings.device || 'TDLib',
      system_version: 'lab',
      application_version: '1'
    })
    await pfs
    await this.until(() => this.auth === 'authorizationStateClosed' ||
      (['authorizationStateWaitPhoneNumber', 'authorizationStateReady'].includes(this.auth) &&
      ['connectionStateReady', 'connectionStateUpdating'].includes(this.connection)), 'connection')
  }
}

// open connects with what is stored. Where that login has ended meanwhile, TDLib
// throws it away and closes; the second time it has none.
async function open () {
  for (let i = 0; i < 2 && (i === 0 || closed()); i++) {
    account = new Account()
    client = account.client
    await account.open()
  }
}

const ended = () => over.includes(account?.auth)
const closed = () => !account || account.auth === 'authorizationStateClosed'

// chatWith returns the id of the private chat with a user.
async function chatWith (user) {
  return (await client.invoke({ _: 'createPrivateChat', user_id: user })).id
}

// sent sends a message and returns it once the server has it.
async function sent (chat, content) {
  const m = await client.invoke({ _: 'sendMessage', chat_id: chat, input_message_content: content })
  const end = await account.until(() => account.sends.get(m.id), 'end of the sending', 600_000)
  account.sends.delete(m.id)
  if (end._ === 'updateMessageSendFailed') throw Object.assign(new Error(end.error.message), { code: end.error.code })
  return end.message
}

const sha256 = data => createHash('sha256').update(data).digest('hex')

// content makes the bytes of a file, which follow from the seed.
function content (bytes, seed) {
  const blocks = []
  for (let i = 0; i * 32 < bytes; i++) blocks.push(createHash('sha256').update(`${seed}:${i}`).digest())
  return Buffer.concat(blocks).subarray(0, bytes)
}

const commands = {
  async start (args) {
    refuseNetwork()
    if (!process.env.TDLIB_LIBRARY) throw new Error('TDLIB_LIBRARY names no patched library')
    settings = args
    tdl.configure({ tdjson: process.env.TDLIB_LIBRARY, verbosityLevel: Number(process.env.TDLIB_VERBOSITY ?? 1) })
    await open()
    return {}
  },

  async login ({ phone, code, name, password }) {
    if (ended()) await account.until(closed, 'end of the last login')
    if (closed()) await open()
    for (let last = ''; account.auth !== 'authorizationStateReady';) {
      last = account.auth
      switch (last) {
        case 'authorizationStateWaitPhoneNumber':
          await client.invoke({ _: 'setAuthenticationPhoneNumber', phone_number: phone })
          break
        case 'authorizationStateWaitCode':
          await client.invoke({ _: 'checkAuthenticationCode', code })
          break
        case 'authorizationStateWaitRegistration':
          await client.invoke({ _: 'registerUser', first_name: name, last_name: '', disable_notification: true })
          break
        case 'authorizationStateWaitPassword':
          await client.invoke({ _: 'checkAuthenticationPassword', password })
          break
        default:
          throw new Error(`login stops at ${last}`)
      }
      await account.until(() => account.auth !== last, 'next step of the login')
    }
    // TDLib now asks for the state of updates. A message that comes before the
    // answer is part of the past: it is in the history, and nobody is told. The
    // asking shows as a state of the connection when it takes longer than stateDelay.
    await sleep(stateDelay)
    await account.until(() => account.connection === 'connectionStateReady', 'state of updates')
    return { user: (await client.invoke({ _: 'getMe' })).id }
  },

  // TDLib answers getMe from its memory. A call that the server must answer
  // goes first.
  async me () {
    await client.invoke({ _: 'getActiveSessions' })
    return { user: (await client.invoke({ _: 'getMe' })).id }
  },

  async contacts () {
    const { user_ids: ids } = await client.invoke({ _: 'getContacts' })
    const users = await Promise.all(ids.map(id => client.invoke({ _: 'getUser', user_id: id })))
    return { users: users.map(u => ({ id: u.id, name: u.first_name })) }
  },

  async dialogs () {
    try {
      for (;;) await client.invoke({ _: 'loadChats', chat_list: { _: 'chatListMain' }, limit: 100 })
    } catch (err) {
      if (err.code !== 404) throw err // 404: all are loaded
    }
    return { count: (await client.invoke({ _: 'getChats', chat_list: { _: 'chatListMain' }, limit: 1000 })).total_count }
  },

  async send ({ to, text }) {
    const content = { _: 'inputMessageText', text: { _: 'formattedText', text } }
    return { message: (await sent(await chatWith(to), content)).id / idShift }
  },

  async history ({ with: user, limit }) {
    const chat = await chatWith(user)
    const texts = []
    for (let from = 0; texts.length < limit;) {
      const { messages } = await client.invoke({ _: 'getChatHistory', chat_id: chat, from_message_id: from, offset: 0, limit: limit - texts.length })
      if (messages.length === 0) break
      texts.push(...messages.map(m => m.content.text?.text ?? ''))
      from = messages.at(-1).id
    }
    return { texts }
  },

  // TDLib has no way to make a call by its name. In place of quick ones it asks
  // for the list of logins, in place of slow ones for a link of which the server
  // knows nothing (the runner makes help.getDeepLinkInfo slow): it keeps neither.
  async calls ({ n, method }) {
    const request = method === 'help.getCdnConfig'
      ? { _: 'getDeepLinkInfo', link: 'tg://lab' }
      : { _: 'getActiveSessions' }
    const took = []
    const all = await Promise.allSettled(Array.from({ length: n }, async () => {
      const begin = performance.now()
      await client.invoke(request).catch(err => { if (err.code !== 404) throw err })
      took.push(performance.now() - begin)
    }))
    const failed = all.filter(r => r.status === 'rejected')
    return { ok: n - failed.length, failed: failed.length, error: failed[0]?.reason.message ?? '', max_ms: Math.round(Math.max(0, ...took)) }
  },

  async upload ({ bytes, seed }) {
    const name = path.join(settings.dir, `upload-${seed}-${bytes}.bin`)
    const data = content(bytes, seed)
    await writeFile(name, data)
    const me = await client.invoke({ _: 'getMe' })
    const begin = performance.now()
    const m = await sent(await chatWith(me.id), { _: 'inputMessageDocument', document: { _: 'inputFileLocal', path: name }, disable_content_type_detection: true })
    const ms = Math.round(performance.now() - begin)
    await rm(name)
    return { file: `${m.chat_id}/${m.id}`, sha256: sha256(data), ms }
  },

  async download ({ file }) {
    const [chat, message] = file.split('/').map(Number)
    const m = await client.invoke({ _: 'getMessage', chat_id: chat, message_id: message })
    const id = m.content.document.document.id
    await client.invoke({ _: 'deleteFile', file_id: id }) // it may have it still
    const begin = performance.now()
    const { local } = await client.invoke({ _: 'downloadFile', file_id: id, priority: 32, offset: 0, limit: 0, synchronous: true })
    const ms = Math.round(performance.now() - begin)
    return { sha256: sha256(await readFile(local.path)), ms }
  },

  async sessions () {
    const { sessions } = await client.invoke({ _: 'getActiveSessions' })
    return { sessions: sessions.map(s => ({ hash: s.id, current: s.is_current, device: s.device_model })) }
  },

  async end ({ hash }) {
    await client.invoke({ _: 'terminateSession', session_id: hash })
    return {}
  },

  async logout () {
    account.ending = true
    await client.invoke({ _: 'logOut' })
    await account.until(closed, 'end of the logout')
    return {}
  },

  async stop () {
    if (!closed()) {
      account.ending = true
      await client.close()
    }
    return {}
  }
}

async function answer (line) {
  const { id, do: name, args } = JSON.parse(line)
  try {
    const command = commands[name]
    if (!command) throw unsupported(name)
    write({ id, ok: await command(args ?? {}) })
  } catch (err) {
    write({ id, error: { code: err.code > 0 ? err.code : 0, message: err.message } })
  }
  return name
}

const lines = createInterface({ input: process.stdin })
lines.on('line', async line => { if (await answer(line) === 'stop') lines.close() })
await once(lines, 'close')
await commands.stop()
process.exit(0)
