package key

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
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

func parseUUID(id string) (u EventID, ok bool) {
	if len(id) != 36 || id[8] != '-' || id[13] != '-' || id[18] != '-' || id[23] != '-' {
		return u, false
	}
	var digits [32]byte
	n := 0
	for _, part := range [...]string{id[:8], id[9:13], id[14:18], id[19:23], id[24:]} {
		for i := range len(part) {
			if part[i] >= 'A' && part[i] <= 'F' {
				return u, false
			}
		}
		n += copy(digits[n:], part)
	}
	_, err := hex.Decode(u[:], digits[:])
	return u, err == nil
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
