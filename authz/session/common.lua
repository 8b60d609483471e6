-- What all scripts of this package begin with. A user's sessions are one hash, KEYS[1]:
--   32 bytes, the SHA-256 of a token    a record
--   "d" and the id's first 8 bytes      the device, a line break, and the network
--   u, n, t, g                          the user's id, name and tenant, and their generation
-- A record: 40 bytes as below; 8 bytes of the successor's id if it is replaced; 13 bytes of
-- what it is bound to if it is bound; the methods, roles and scopes (rights.go). Times are in ms.
local FIXED = '>I6I6I6I5I6I6I4B' -- created, seen, absolute limit, idle limit, auth time, born, generation, flags
local ENDED, CROWDED, REPLACED, BOUND = 1, 2, 4, 8
local function has(s, flag) return math.floor(s.flags / flag) % 2 == 1 end
local function open(r)
  local s = {}
  s.created, s.seen, s.absolute, s.idle, s.auth, s.born, s.generation, s.flags = struct.unpack(FIXED, r)
  return s
end
local function close(s, tail)
  return struct.pack(FIXED, s.created, s.seen, s.absolute, s.idle, s.auth, s.born, s.generation, s.flags) .. tail
end
local function tail(r) return string.sub(r, 41) end
local function device(id) return 'd' .. string.sub(id, 1, 8) end
-- How a session stands for everybody: live, revoked, crowded, replaced, absolute or idle.
local function standing(s, now, generation, floor)
  if has(s, CROWDED) then return 'crowded' end
  if has(s, ENDED) or s.generation < generation or s.born < floor then return 'revoked' end
  if has(s, REPLACED) then return now < s.absolute and 'live' or 'replaced' end
  if now >= s.absolute then return 'absolute' end
  if now - s.seen >= s.idle then return 'idle' end
  return 'live'
end
local function generation() return tonumber(redis.call('HGET', KEYS[1], 'g') or '0') end
local function prolong(ms)
  if redis.call('PTTL', KEYS[1]) < ms then redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil(ms))) end
end
-- A session that ends keeps its record for a while; its absolute limit says since when.
local function finish(id, r, now, flag)
  local s = open(r)
  s.flags, s.absolute = s.flags + ENDED + flag, math.min(s.absolute, now)
  redis.call('HSET', KEYS[1], id, close(s, tail(r)))
end
local function answer(verdict, id, r)
  local about = redis.call('HMGET', KEYS[1], 'u', 'n', 't', device(id))
  return {verdict, id, r, about[1] or '', about[2] or '', about[3] or '', about[4] or ''}
end
-- Every session of the user, as {id, record, opened}.
local function all()
  local fields, list = redis.call('HGETALL', KEYS[1]), {}
  for i = 1, #fields, 2 do
    if #fields[i] == 32 then list[#list + 1] = {fields[i], fields[i + 1], open(fields[i + 1])} end
  end
  return list
end
-- Of the live ones, those that are nobody's past: what a person calls their sessions.
local function current(s, now, generation, floor)
  return not has(s, REPLACED) and standing(s, now, generation, floor) == 'live'
end
