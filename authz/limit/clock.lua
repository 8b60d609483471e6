-- What every script about counters begins with: the time.
-- ARGV[1]   now in microseconds since the Unix epoch, or 0: Redis's clock
--
-- All times are whole quarters of a microsecond, which a Lua number holds exactly until the year 2041.
local now = tonumber(ARGV[1])
if now == 0 then
  local t = redis.call('TIME')
  now = tonumber(t[1]) * 1000000 + tonumber(t[2])
end
-- A clock that is given does not run as Redis's does, which ends keys: they stay an hour longer, which changes no count.
local grace = ARGV[1] == '0' and 0 or 3600000
