// The npm package `jose` as a peer; requests and answers as in ../jwcrypto/jwcrypto_peer.py.
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'

const jose = await import(pathToFileURL(process.env.PANVA_JOSE))

async function seal(request) {
  const value = Buffer.from(request.value, 'base64')
  const more = request.protected ?? {}
  // Members that the library has never heard of may be critical when it is told so.
  const options = { crit: { 'urn:example:unknown': true } }
  const keys = await Promise.all(request.keys.map((key) => jose.importJWK(key, request.form === 'general' ? key.alg : request.alg)))
  if (request.form === 'compact') {
    const sealing = new jose.CompactEncrypt(value).setProtectedHeader({ alg: request.alg, enc: request.enc, ...more })
    return { envelope: await sealing.encrypt(keys[0], options) }
  }
  if (request.form === 'flattened') {
    const sealing = new jose.FlattenedEncrypt(value)
      .setProtectedHeader({ enc: request.enc, ...more })
      .setUnprotectedHeader({ alg: request.alg, kid: request.keys[0].kid })
    return { envelope: JSON.stringify(await sealing.encrypt(keys[0], options)) }
  }
  const sealing = new jose.GeneralEncrypt(value).setProtectedHeader({ enc: request.enc, ...more })
  request.keys.forEach((key, i) => {
    sealing.addRecipient(keys[i], options).setUnprotectedHeader({ alg: key.alg, kid: key.kid })
  })
  return { envelope: JSON.stringify(await sealing.encrypt()) }
}

async function open(request) {
  const key = await jose.importJWK(request.key)
  let opened
  if (!request.envelope.startsWith('{')) {
    opened = await jose.compactDecrypt(request.envelope, key)
  } else {
    const envelope = JSON.parse(request.envelope)
    opened = envelope.recipients ? await jose.generalDecrypt(envelope, key) : await jose.flattenedDecrypt(envelope, key)
  }
  return { value: Buffer.from(opened.plaintext).toString('base64') }
}

async function sign(request) {
  const key = await jose.importPKCS8(request.pem, request.header.alg)
  const payload = Buffer.from(request.payload, 'base64')
  const signed = await new jose.FlattenedSign(payload).setProtectedHeader(request.header).sign(key)
  return { jws: `${signed.protected}..${signed.signature}` }
}

async function verify(request) {
  const [header, nothing, signature] = request.jws.split('.')
  if (nothing !== '') throw new Error('the payload is not detached')
  const { alg } = jose.decodeProtectedHeader(request.jws)
  const payload = Buffer.from(request.payload, 'base64').toString('base64url')
  const key = await jose.importSPKI(request.pem, alg)
  const verified = await jose.flattenedVerify({ protected: header, payload, signature }, key)
  return { header: verified.protectedHeader }
}

const acts = { open, seal, sign, verify }

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line)
  let answer
  try {
    answer = await acts[request.do](request)
  } catch (error) {
    answer = { error: `${error.name}: ${error.message}` }
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}
