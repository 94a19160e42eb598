// Makes the golden vectors the way Segment signs: node tests/vectors/make.mjs
// X-Signature is hex HMAC-SHA1 of JSON.stringify(event); of an array, of its first element only.
import { createHmac } from 'node:crypto'
import { writeFileSync } from 'node:fs'

const secret = 'whs_3q2-7wECAwQFBgcICQoLDA0ODxAREhMUFRYXGBk'
const hmac = (text, key = secret) => createHmac('sha1', key).update(text, 'utf8').digest('hex')
const event = (id, more) => ({
  type: 'track',
  messageId: id,
  userId: 'u-1',
  event: 'Order Completed',
  timestamp: '2025-03-01T10:00:00.000Z',
  ...more,
})

const simple = event('v-simple', { properties: { total: 99.5, coupon: null, tags: ['a', 'b'] } })
const words = event('v-unicode', { properties: { name: 'Zoë 🎉 مرحبا é', separators: '\u2028\u2029', path: 'C:\\x\\"y"' } })
const small = event('v-small-number', { properties: { tiny: 1e-7, one: 1.0, zero: -0 } })
const large = event('v-large-number', { properties: { huge: 1e21, precise: 9007199254740993n.toString() } })
const half = event('v-lone-surrogate', { properties: { name: 'bad \ud83d end', city: 'Zürich' } })
const brackets = event('v-brackets', { properties: { a: '}]{[', b: '\\', c: '\\"}', d: [{}, [], ''] } })

const bodies = {
  simple: { why: 'one event', body: JSON.stringify(simple), signed: JSON.stringify(simple) },
  unicode: { why: 'text outside ASCII is sent as it is, U+2028 too', body: JSON.stringify(words), signed: JSON.stringify(words) },
  small_number: { why: 'JavaScript prints 1e-7, 1 and 0', body: JSON.stringify(small), signed: JSON.stringify(small) },
  large_number: { why: 'JavaScript prints 1e+21', body: JSON.stringify(large), signed: JSON.stringify(large) },
  lone_surrogate: { why: 'half a pair is sent as an escape', body: JSON.stringify(half), signed: JSON.stringify(half) },
  brackets: { why: 'brackets, quotes and backslashes in text', body: JSON.stringify([brackets, simple]), signed: JSON.stringify(brackets), covers: 'first' },
  batch_of_two: { why: 'only the first is signed', body: JSON.stringify([simple, words]), signed: JSON.stringify(simple), covers: 'first' },
  batch_unicode_first: { why: 'only the first is signed', body: JSON.stringify([words, small, half]), signed: JSON.stringify(words), covers: 'first' },
  batch_lone_surrogate_first: { why: 'only the first is signed', body: JSON.stringify([half, large]), signed: JSON.stringify(half), covers: 'first' },
  batch_small_number_first: { why: 'only the first is signed', body: JSON.stringify([small, large]), signed: JSON.stringify(small), covers: 'first' },
  batch_of_one: { why: 'an array of one is still signed over its element', body: JSON.stringify([simple]), signed: JSON.stringify(simple), covers: 'first' },
  whole_array: { why: 'X-Signature over the whole array', body: JSON.stringify([simple, small]), signed: JSON.stringify([simple, small]) },
  segment_header: { why: 'X-Segment-Signature over the whole array', body: JSON.stringify([simple, half]), signed: JSON.stringify([simple, half]), header: 'x_segment_signature' },
  segment_header_single: { why: 'X-Segment-Signature over one event', body: JSON.stringify(words), signed: JSON.stringify(words), header: 'x_segment_signature' },
  wrapped_batch: { why: 'an Extensible Webhook wraps each event', body: JSON.stringify([{ json: small }, { json: simple }]), signed: JSON.stringify(small), covers: 'first' },
  words_for_a_secret: { why: 'the secret is its text in UTF-8', body: JSON.stringify(simple), signed: JSON.stringify(simple), secret: 'žluťoučký kůň 🐎' },
}

const index = {}
for (const [name, { why, body, signed, covers = 'body', header = 'x_signature', secret: own = secret }] of Object.entries(bodies)) {
  writeFileSync(new URL(`${name}.body`, import.meta.url), body)
  index[name] = { why, secret: own, header, signature: hmac(signed, own), covers }
}
writeFileSync(new URL('index.json', import.meta.url), JSON.stringify(index, null, 2) + '\n')
