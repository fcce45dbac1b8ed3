package gen

import "math/rand/v2"

// The forms of AWS identifiers: prefix and length as AWS writes them, the rest is random.

const (
	hexDigits = "0123456789abcdef"
	base32    = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	alnum     = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
)

// text returns n characters of an alphabet.
func text(r *rand.Rand, alphabet string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(b)
}

// hex returns n hexadecimal digits; sixteen digits cost one random number.
func hex(r *rand.Rand, n int) string {
	b := make([]byte, n)
	var bits uint64
	for i := range b {
		if i%16 == 0 {
			bits = r.Uint64()
		}
		b[i] = hexDigits[bits&15]
		bits >>= 4
	}
	return string(b)
}

// uuid returns a random UUID of version 4, the form of event and request ids.
func uuid(r *rand.Rand) string {
	h := hex(r, 32)
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-" + "89ab"[r.IntN(4):][:1] + h[17:20] + "-" + h[20:]
}

// ec2ID returns an identifier of EC2's long form: prefix-0 and 16 digits.
func ec2ID(r *rand.Rand, prefix string) string { return prefix + "-0" + hex(r, 16) }

func longKey(r *rand.Rand) string    { return "AKIA" + text(r, base32, 16) } // access key of a user
func sessionKey(r *rand.Rand) string { return "ASIA" + text(r, base32, 16) } // access key of a session
func userID(r *rand.Rand) string     { return "AIDA" + text(r, base32, 17) }
func roleID(r *rand.Rand) string     { return "AROA" + text(r, base32, 17) }

// accountID returns twelve digits that do not begin with a zero, so that a careless reader cannot lose one.
func accountID(r *rand.Rand) string {
	return text(r, "123456789", 1) + text(r, "0123456789", 11)
}

// pick returns one of the given.
func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }
