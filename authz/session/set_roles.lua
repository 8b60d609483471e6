-- Gives a session, and what it replaced as long as that is good, other roles.
-- ARGV [1] now, [2] floor, [3] the id's first 8 bytes, [4] the roles, separated by tabs
-- Returns {verdict, id, record, user, name, tenant, device}: "live" with the session as it is now, else why not.
local now, floor, g = tonumber(ARGV[1]), tonumber(ARGV[2]), generation()
local function with(r, roles)
  local from = 41
  local s = open(r)
  if has(s, REPLACED) then from = from + 8 end
  if has(s, BOUND) then from = from + 13 end
  local rest = string.sub(r, from)
  local methods, lists = string.match(rest, '^([^\n]*)\n?(.*)$')
  local scopes = string.match(lists, '^[^\n]*\n(.*)$') or ''
  local text = methods
  if roles ~= '' or scopes ~= '' then text = text .. '\n' .. roles end
  if scopes ~= '' then text = text .. '\n' .. scopes end
  return string.sub(r, 1, from - 1) .. text
end
local list, found = all(), nil
for _, e in ipairs(list) do
  if string.sub(e[1], 1, 8) == ARGV[3] then found = e end
end
if not found then return {'none'} end
local verdict = standing(found[3], now, g, floor)
if verdict ~= 'live' then return answer(verdict, found[1], found[2]) end
if has(found[3], REPLACED) then return answer('replaced', found[1], found[2]) end
local changed = with(found[2], ARGV[4])
redis.call('HSET', KEYS[1], found[1], changed)
for _, e in ipairs(list) do
  if has(e[3], REPLACED) and not has(e[3], ENDED) and string.sub(e[2], 41, 48) == ARGV[3] then
    redis.call('HSET', KEYS[1], e[1], with(e[2], ARGV[4]))
  end
end
return answer('live', found[1], changed)
