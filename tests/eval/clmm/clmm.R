# Fits of ratings.csv by R's ordinal::clmm, as they stand in clmm.csv.
#   Rscript clmm.R        (Debian: r-base-core, r-cran-ordinal)
library(ordinal)
every <- read.csv("ratings.csv", colClasses = "character")
out <- data.frame()
for (name in unique(every$set)) {
  d <- every[every$set == name, ]
  d$y <- ordered(as.integer(d$y))
  for (column in c("model", "question", "annotator")) d[[column]] <- factor(d[[column]])
  f <- clmm(y ~ model + (1 | question) + (1 | annotator), data = d,
            control = clmm.control(gradTol = 1e-6, maxIter = 500))
  s <- summary(f)$coefficients
  add <- function(what, key, value) data.frame(set = name, what = what, key = key, value = sprintf("%.8f", value))
  beta <- grep("^model", rownames(s))
  sd <- sapply(VarCorr(f), function(v) attr(v, "stddev"))
  out <- rbind(out,
    add("log_likelihood", "", as.numeric(logLik(f))),
    add("threshold", names(f$alpha), f$alpha),
    add("effect", rownames(s)[beta], s[beta, "Estimate"]),
    add("error", rownames(s)[beta], s[beta, "Std. Error"]),
    add("deviation", sub("\\..*", "", names(sd)), sd),
    add("annotator", rownames(ranef(f)$annotator), ranef(f)$annotator[, 1]))
}
cat(sprintf("# R %s.%s, ordinal %s\n", R.version$major, R.version$minor, packageVersion("ordinal")), file = "clmm.csv")
suppressWarnings(write.table(out, "clmm.csv", append = TRUE, sep = ",", quote = FALSE, row.names = FALSE))
