package processor

import "strings"

// sequenceDigits is the width to which sequence numbers are padded in rows and
// in memory, so that the order of their text is that of the stream. Kinesis
// gives 56 digits; the manifest keeps them without leading zeros.
const sequenceDigits = 56

func pad(seq string) string {
	if seq == "" || len(seq) >= sequenceDigits {
		return seq
	}
	return strings.Repeat("0", sequenceDigits-len(seq)) + seq
}

func trim(seq string) string {
	if t := strings.TrimLeft(seq, "0"); t != "" || seq == "" {
		return t
	}
	return "0"
}
