# %%
import json
# %% parameters
# oda:usesResource oda:CRBeamS3 .
source_name = "Crab"  # oda:AstrophysicalObject
bins = 10  # http://odahub.io/ontology#Integer ; oda:lower_limit 1 ; oda:upper_limit 100
index = 2.5  # oda:Float; oda:unit unit:keV
band = "soft"  # oda:String; oda:allowed_value "soft", "hard"; rdfs:comment "the band"
plot = True  # oda:Boolean
plain = 3
# %%
with open("spectrum.txt", "w") as file:
    file.write(str(bins))
total = bins * index
print(source_name, bins, index, band, plot, plain)
# %% outputs
spectrum = "spectrum.txt"  # oda:ODAAstropyTable
flux = total  # oda:Float
total
