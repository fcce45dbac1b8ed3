package cloudtrail

import (
	"strings"
	"time"
)

// parseTime reads an eventTime: RFC 3339 with or without a fraction, and the
// form with a blank and no zone that SQL tools write, which is taken as UTC.
// A leap second (:60) is the first instant of the next minute. Digits beyond
// milliseconds are cut, never rounded, so a later time never sorts earlier.
func parseTime(text string) (time.Time, bool) {
	if t, ok := parsePlainTime(text); ok {
		return t, true
	}
	leap := len(text) >= 19 && text[17:19] == "60"
	if leap {
		text = text[:17] + "59" + text[19:]
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil && strings.IndexByte(text, ' ') == 10 {
		t, err = time.Parse(time.DateTime, text)
	}
	if err != nil {
		return time.Time{}, false
	}
	if leap {
		t = t.Truncate(time.Second).Add(time.Second)
	}
	return time.UnixMilli(t.UnixMilli()).UTC(), true
}

// parsePlainTime is the quick way for the form that CloudTrail itself writes,
// 2006-01-02T15:04:05Z.
func parsePlainTime(s string) (time.Time, bool) {
	if len(s) != 20 || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' || s[19] != 'Z' {
		return time.Time{}, false
	}
	year, month, day := number2(s[0:2])*100+number2(s[2:4]), number2(s[5:7]), number2(s[8:10])
	hour, minute, second := number2(s[11:13]), number2(s[14:16]), number2(s[17:19])
	if year < 0 || month < 1 || month > 12 || day < 1 || day > daysIn(month, year) ||
		hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59 {
		return time.Time{}, false
	}
	return time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC), true
}

// number2 reads two digits; anything else gives a negative number that no sum
// of two can lift above zero.
func number2(s string) int {
	a, b := s[0]-'0', s[1]-'0'
	if a > 9 || b > 9 {
		return -1_000_000
	}
	return int(a)*10 + int(b)
}

func daysIn(month, year int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}
