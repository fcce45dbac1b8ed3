-- Console sign-ins with result and MFA
SELECT eventtime, useridentity.username, sourceipaddress, errormessage,
  json_extract_scalar(responseelements, '$.ConsoleLogin') AS result,
  json_extract_scalar(additionaleventdata, '$.MFAUsed') AS mfa
FROM cairn.events
WHERE eventsource = 'signin.amazonaws.com' AND eventname = 'ConsoleLogin' AND dt >= '2026-03-03'
