package redis

import "github.com/redis/go-redis/v9"

// Each script gets a session and its mark as KEYS[1] and KEYS[2], and the lifetime of marks as ARGV[1]. It answers nil
// when there is no session, or none any more.
//
// A script that leaves a mark removes something first: a server that is out of memory lets a script finish that has
// begun to write.

// unlessRevoked begins a script. If the id is revoked, it ends it, and removes what a blind write has brought back.
const unlessRevoked = `
if redis.call('EXISTS', KEYS[2]) == 1 then
  if redis.call('DEL', KEYS[1]) == 1 then
    redis.call('SET', KEYS[2], '1', 'PX', ARGV[1])
  end
  return false
end
`

var exists = redis.NewScript(unlessRevoked + `
return redis.call('EXISTS', KEYS[1])
`)

// The writing scripts answer 1 when they have written, or else what is there instead.

var create = redis.NewScript(unlessRevoked + `
if redis.call('SET', KEYS[1], ARGV[2], 'NX', 'PX', ARGV[3]) then return 1 end
return redis.call('GET', KEYS[1])
`)

// swap knows the record to replace by its SHA-1, so that it need not travel back.
var swap = redis.NewScript(unlessRevoked + `
local current = redis.call('GET', KEYS[1])
if not current then return false end
if redis.sha1hex(current) ~= ARGV[4] then return current end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
`)

var touch = redis.NewScript(unlessRevoked + `
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
`)

// move answers 0 when the new id, KEYS[3] with the mark KEYS[4], is taken, and else the record.
var move = redis.NewScript(`
if redis.call('EXISTS', KEYS[3], KEYS[4]) > 0 then return 0 end
` + unlessRevoked + `
local current = redis.call('GET', KEYS[1])
if current then
  redis.call('RENAME', KEYS[1], KEYS[3])
  redis.call('PEXPIRE', KEYS[3], ARGV[2])
end
redis.call('SET', KEYS[2], '1', 'PX', ARGV[1])
return current
`)

var destroy = redis.NewScript(`
local there = redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], '1', 'PX', ARGV[1])
return there
`)
