-- Looks a session up, judges it, and notes that it was used. live.lua, which stands before, has read what there is.
-- ARGV [1] now, [2] floor, [3] id, [4] ms in which a further use is not noted, at most a twentieth of the idle limit,
-- [5] ms to remember the ended, [6] what the client is: certificate, fingerprint (13 bytes each, or empty);
-- where the policy demands more:
-- [7] greatest idle time and [8] greatest age that it allows (0: any), [9] how many sessions it admits (0: any),
-- [10] "oldest": the newest are admitted, or "refuse": the first
-- Returns {verdict, id, record, user, name, tenant, device}; the record as it was before this use.
local g = tonumber(got[2] or 0)
local function answer(verdict) return {verdict, id, r, got[3] or '', got[4] or '', got[5] or '', got[6] or ''} end
local floor, memory, cap = tonumber(ARGV[2]), tonumber(ARGV[5]), tonumber(ARGV[9] or 0)
local s = open(r)
local verdict = standing(s, now, g, floor)
if verdict ~= 'live' then return answer(verdict) end
if has(s, BOUND) then
  local from = has(s, REPLACED) and 49 or 41
  local bound, is = string.sub(r, from, from + 12), ARGV[6]
  if bound ~= string.sub(is, 1, 13) and bound ~= string.sub(is, 14, 26) then return answer('bound') end
end
-- A use that the policy refuses does not count as one: else the second try would pass.
local max_idle, max_age = tonumber(ARGV[7] or 0), tonumber(ARGV[8] or 0)
if max_age > 0 and now - s.created >= max_age then return answer('demand_age') end
if max_idle > 0 and now - s.seen >= max_idle then return answer('demand_idle') end
if cap > 0 and not has(s, REPLACED) then
  local before = 0
  for _, e in ipairs(all()) do
    local o = e[3]
    if e[1] ~= id and current(o, now, g, floor) then
      local newer = o.created > s.created or o.created == s.created and e[1] > id
      if newer == (ARGV[10] == 'oldest') then before = before + 1 end
    end
  end
  if before >= cap then return answer('demand_cap') end
end
local out = answer('live')
if not has(s, REPLACED) and now - s.seen >= math.min(tonumber(ARGV[4]), s.idle / 20) then
  s.seen = now
  redis.call('HSET', KEYS[1], id, close(s, tail(r)))
  prolong(math.min(s.absolute - now, s.idle) + memory)
end
return out
