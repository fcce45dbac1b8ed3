package baseline

import "math"

// negativeBinomial is −log₁₀ P(Y ≥ y) of a negative binomial distribution
// with the mean m and the variance v > m; 0 for y ≤ m. With p = r/(r+m) and
// r = m²/(v−m) that probability is the regularised incomplete beta function
// I₁₋ₚ(y, r). Unlike the tails it sees the empty windows.
func negativeBinomial(y, m, v float64) float64 {
	if y <= m {
		return 0
	}
	r := m * m / (v - m)
	p := r / (r + m)
	return max(0, -logBeta(1-p, y, r)/math.Ln10)
}

// logBeta is ln Iₓ(a, b) by the continued fraction that converges, directly
// where x lies below the bend and by the complement above it (Numerical
// Recipes, 6.4).
func logBeta(x, a, b float64) float64 {
	la, _ := math.Lgamma(a)
	lb, _ := math.Lgamma(b)
	lab, _ := math.Lgamma(a + b)
	front := lab - la - lb + a*math.Log(x) + b*math.Log1p(-x)
	if x < (a+1)/(a+b+2) {
		return front + math.Log(betaFraction(x, a, b)/a)
	}
	return math.Log1p(-min(1, math.Exp(front)*betaFraction(1-x, b, a)/b))
}

// betaFraction evaluates the continued fraction of the incomplete beta
// function by Lentz's method, to a relative 1e−10 or 300 terms.
func betaFraction(x, a, b float64) float64 {
	const tiny = 1e-300
	off := func(v float64) float64 {
		if math.Abs(v) < tiny {
			return tiny
		}
		return v
	}
	c, d := 1.0, 1/off(1-(a+b)*x/(a+1))
	f := d
	for i := 1; i <= 300; i++ {
		k := float64(i)
		even := k * (b - k) * x / ((a + 2*k - 1) * (a + 2*k))
		d = 1 / off(1+even*d)
		c = off(1 + even/c)
		f *= d * c
		odd := -(a + k) * (a + b + k) * x / ((a + 2*k) * (a + 2*k + 1))
		d = 1 / off(1+odd*d)
		c = off(1 + odd/c)
		f *= d * c
		if math.Abs(d*c-1) < 1e-10 {
			break
		}
	}
	return f
}
