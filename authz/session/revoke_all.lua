-- Ends all sessions of the user by the user's generation, but perhaps one.
-- ARGV [1] now, [2] floor, [3] id of the one to keep, or empty, [4] ms to remember the ended, [5] "1": tell which were live
-- Returns {kept: "1" or "0", then id, record, user, name, tenant, device of each that was live}.
local now, floor, g, out = tonumber(ARGV[1]), tonumber(ARGV[2]), generation(), {'0'}
local kept = ARGV[3] ~= '' and redis.call('HGET', KEYS[1], ARGV[3])
if kept and standing(open(kept), now, g, floor) ~= 'live' then kept = nil end
if ARGV[3] ~= '' and not kept then return out end
if ARGV[5] == '1' then
  for _, e in ipairs(all()) do
    if e[1] ~= ARGV[3] and current(e[3], now, g, floor) then
      local a = answer('', e[1], e[2])
      for i = 2, #a do out[#out + 1] = a[i] end
    end
  end
end
if redis.call('EXISTS', KEYS[1]) == 0 then return out end
redis.call('HSET', KEYS[1], 'g', g + 1)
if not kept then
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
  return out
end
out[1] = '1'
local s = open(kept)
s.generation = g + 1
redis.call('HSET', KEYS[1], ARGV[3], close(s, tail(kept)))
return out
