-- Gives a session another token. The old one is good until the grace ends, with the rights it had.
-- ARGV [1] now, [2] floor, [3] old id, [4] new id, or empty: the old one only ends, [5] grace in ms, [6] auth time,
-- [7] "1": replace the methods by [8], [9] ms to remember the ended, [10] "1": replace the roles by [11],
-- [12] and [13] new idle and absolute limit in ms from now on (0: as they were)
-- Returns {verdict, id, record, user, name, tenant, device}: "live" with the new session, else why not.
local now, floor, grace, g = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[5]), generation()
local old = redis.call('HGET', KEYS[1], ARGV[3])
if not old then return {'none'} end
local s = open(old)
local verdict = standing(s, now, g, floor)
if verdict ~= 'live' then return answer(verdict, ARGV[3], old) end
if has(s, REPLACED) then return answer('replaced', ARGV[3], old) end
local rest, bound = tail(old), ''
if has(s, BOUND) then bound, rest = string.sub(rest, 1, 13), string.sub(rest, 14) end
-- Methods, roles and scopes, as rights.go writes them.
local methods, lists = string.match(rest, '^([^\n]*)\n?(.*)$')
local roles, scopes = string.match(lists, '^([^\n]*)\n?(.*)$')
if ARGV[7] == '1' then methods = ARGV[8] end
if ARGV[10] == '1' then roles = ARGV[11] end
if roles ~= '' or scopes ~= '' then methods = methods .. '\n' .. roles end
if scopes ~= '' then methods = methods .. '\n' .. scopes end
local out
if ARGV[4] ~= '' then
  if redis.call('HEXISTS', KEYS[1], ARGV[4]) == 1 then return {'taken'} end
  local n = open(old)
  n.seen, n.auth = now, tonumber(ARGV[6])
  if tonumber(ARGV[13]) > 0 then n.created, n.idle, n.absolute = now, tonumber(ARGV[12]), now + tonumber(ARGV[13]) end
  local about = redis.call('HGET', KEYS[1], device(ARGV[3]))
  redis.call('HSET', KEYS[1], ARGV[4], close(n, bound .. methods))
  if about then redis.call('HSET', KEYS[1], device(ARGV[4]), about) end
  prolong(math.min(n.absolute - now, n.idle) + tonumber(ARGV[9]))
  out = answer('live', ARGV[4], close(n, bound .. methods))
else
  out = answer('live', ARGV[3], old)
end
local next_id = ARGV[4] ~= '' and string.sub(ARGV[4], 1, 8) or string.rep('\0', 8)
s.flags, s.absolute = s.flags + REPLACED, math.min(s.absolute, now + grace)
redis.call('HSET', KEYS[1], ARGV[3], close(s, next_id .. bound .. rest))
prolong(grace + tonumber(ARGV[9]))
return out
