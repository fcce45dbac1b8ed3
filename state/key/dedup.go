package key

import (
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// EventID is an event's id in 16 bytes.
type EventID [16]byte

// EventIDOf returns the bytes of a UUID in its usual lower-case form, else the
// first 16 bytes of the SHA-256 of the text. Other spellings of a UUID are
// other ids: an event's id is compared as text.
func EventIDOf(id string) EventID {
	if u, ok := parseUUID(id); ok {
		return u
	}
	sum := sha256.Sum256([]byte(id))
	return EventID(sum[:16])
}

// digits are the values of lower-case hex digits, each with a bit that no other
// character has.
var digits = [256]byte{'0': 0x10, '1': 0x11, '2': 0x12, '3': 0x13, '4': 0x14, '5': 0x15, '6': 0x16, '7': 0x17, '8': 0x18, '9': 0x19,
	'a': 0x1a, 'b': 0x1b, 'c': 0x1c, 'd': 0x1d, 'e': 0x1e, 'f': 0x1f}

func parseUUID(id string) (u EventID, ok bool) {
	if len(id) != 36 || id[8] != '-' || id[13] != '-' || id[18] != '-' || id[23] != '-' {
		return u, false
	}
	all, at := byte(0x10), 0
	for i := range u {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			at++ // a dash
		}
		high, low := digits[id[at]], digits[id[at+1]]
		u[i] = high<<4 | low&0xf
		all &= high & low
		at += 2
	}
	return u, all != 0
}

// Hour returns the number of the hour since 1970 that holds t.
func Hour(t time.Time) int64 {
	s := t.Unix()
	if s < 0 {
		s -= 3599 // integer division rounds to zero, hours round down
	}
	return s / 3600
}

// DedupRow returns the key of an event id's row in its hour.
func DedupRow(hour int64, id EventID) []byte {
	k := make([]byte, 0, 2+8+len(id))
	k = append(k, SpaceWhole, Dedup)
	k = AppendInt64(k, hour)
	return append(k, id[:]...)
}

// ParseDedup reads a key that DedupRow made.
func ParseDedup(k []byte) (hour int64, id EventID, ok bool) {
	if len(k) != 2+8+len(id) || !IsDedup(k) {
		return 0, id, false
	}
	return int64(binary.BigEndian.Uint64(k[2:]) ^ 1<<63), EventID(k[10:]), true
}
