-- The end of a script that begins with lookup(KEYS, ARGV), of the session, and count(KEYS, ARGV), of the limits.
-- Looks the session up and counts: first the limits that do not depend on it, and with them those of its user,
-- if the session is good. Whose token it is is known from here on only: anybody can claim to be anybody.
-- KEYS  the session's, those of the limits, those of the user's limits
-- ARGV  [1] how many arguments are the session's, [2] how many limits are not the user's,
--       [3] the session must have been born after this if its user has a tenant, or nobody knows yet whether it is good;
--       the session's arguments, and the limits', as their own scripts take them
-- Returns {the session's answer, the limits' answer, 1 if the user's limits are among them}.
local asked, others, doubt = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local session = lookup({KEYS[1]}, {unpack(ARGV, 4, 3 + asked)})
local good, tenant, born
if type(session) == 'string' then -- as live.lua answers
  good, tenant, born = true, struct.unpack('>I2', session, 7) > 0, struct.unpack('>I6', session, 38)
elseif session[1] == 'live' then
  good, tenant, born = true, session[6] ~= '', struct.unpack('>I6', session[3], 30)
end
if tenant and born < doubt then good = false end
local keys, n = {}, good and #KEYS or 1 + others
for i = 2, n do keys[i - 1] = KEYS[i] end
return {session, n > 1 and count(keys, {unpack(ARGV, 4 + asked)}) or {}, good and 1 or 0}
